"""How the report looks: light and dark, wide and narrow."""

STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1b1f24; --faint: #5b6570; --page: #ffffff; --panel: #f5f7f9; --rule: #d8dee4;
  --c0: #0072b2; --c1: #e69f00; --c2: #009e73; --c3: #d55e00; --c4: #cc79a7; --c5: #56b4e9;
  --c6: #6b7280;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e9ec; --faint: #a0a9b3; --page: #14171a; --panel: #1d2126; --rule: #353b42;
    --c0: #56b4e9; --c5: #4a8fd0; --c6: #a0a9b3;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
header { border-left: 6px solid var(--c0); padding-left: 1rem; }
.question { margin: 0; color: var(--faint); }
h1 { font-size: clamp(1.25rem, 1rem + 1.4vw, 1.75rem); line-height: 1.3; margin: .25rem 0 .75rem;
  font-weight: 400; }
h1 strong { font-weight: 700; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--rule); }
ul { margin: 0; padding-left: 1.2rem; }
.note { border-left: 3px solid var(--c1); padding-left: .75rem; margin: .75rem 0 0; }
.small { color: var(--faint); font-size: .875rem; }
figure { margin: 1rem 0 2rem; }
figcaption { font-weight: 600; margin-bottom: .5rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 12px; fill: var(--ink); }
svg text.axis { fill: var(--faint); }
svg text.strong { font-weight: 700; }
svg.narrow { display: none; max-width: 30rem; }
@media (max-width: 620px) { svg.wide { display: none; } svg.narrow { display: block; } }
.grid { stroke: var(--rule); stroke-width: 1; }
.line { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
.thick { stroke-width: 3; }
.band { opacity: .14; }
.fill0 { fill: var(--c0); } .stroke0 { stroke: var(--c0); }
.fill1 { fill: var(--c1); } .stroke1 { stroke: var(--c1); }
.fill2 { fill: var(--c2); } .stroke2 { stroke: var(--c2); }
.fill3 { fill: var(--c3); } .stroke3 { stroke: var(--c3); }
.fill4 { fill: var(--c4); } .stroke4 { stroke: var(--c4); }
.fill5 { fill: var(--c5); } .stroke5 { stroke: var(--c5); }
.fill6 { fill: var(--c6); } .stroke6 { stroke: var(--c6); }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: baseline;
  border-bottom: 1px solid var(--rule); }
thead th { color: var(--faint); font-weight: 600; }
tbody th { font-weight: 400; min-width: 8rem; overflow-wrap: break-word; }
summary { cursor: pointer; padding: .5rem 0; }
.group th { font-weight: 600; background: var(--panel); padding: .4rem .5rem; }
.range { color: var(--faint); font-size: .8rem; white-space: nowrap; }
.wide { max-width: 100%; border-radius: 4px; }
pre { background: var(--panel); padding: .75rem 1rem; overflow-x: auto; border-radius: 4px; }
""".strip()
