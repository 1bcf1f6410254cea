"""How pages look: light and dark, wide and narrow, on screen and on paper."""

#: RGB of evidence for a class (blue) and against it (orange), distinguishable with all common kinds
#: of colour blindness.
FOR, AGAINST = (0, 114, 178), (213, 94, 0)
#: Opacity of the strongest background; dark and light text are readable on it.
COVER = 0.5


def tint(speaks_for: bool, share: float) -> str:
    """Return the CSS colour of a background, ``share`` (0..1) of the strongest."""
    red, green, blue = FOR if speaks_for else AGAINST
    return f"rgba({red}, {green}, {blue}, {COVER * share:.2f})"


STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1b1f24; --faint: #56606b; --page: #ffffff; --panel: #f4f6f8; --rule: #d8dee4;
  --good: #00694a; --bad: #a83a00; --mid: #56606b;
  --c0: #0072b2; --c1: #b07a00; --c2: #00805c; --c3: #d55e00; --c4: #b0578c; --c5: #2c87b8;
  --c6: #6b7280; --heat: 0, 114, 178; --deepest: .75;
  --hidden: #d5dae0; --changed: #f6c9c2; --answer: #cfe3f7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e9ec; --faint: #a4adb7; --page: #14171a; --panel: #1d2126; --rule: #353b42;
    --good: #4cc79f; --bad: #ff9a62; --mid: #a4adb7;
    --c0: #56b4e9; --c1: #e69f00; --c2: #14b386; --c3: #f0762b; --c4: #d48fb4; --c5: #6fa8dc;
    --c6: #a0a9b3; --heat: 86, 180, 233; --deepest: .5;
    --hidden: #454c54; --changed: #6b2f26; --answer: #1f4468;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: break-word; }
header { border-left: 6px solid var(--mid); padding-left: 1rem; }
header.gain { border-color: var(--good); } header.loss { border-color: var(--bad); }
header.gain h1 strong { color: var(--good); } header.loss h1 strong { color: var(--bad); }
.question { margin: 0; color: var(--faint); }
h1 { font-size: clamp(1.25rem, 1rem + 1.4vw, 1.75rem); line-height: 1.3; margin: .25rem 0 .75rem;
  font-weight: 400; }
h1 strong { font-weight: 700; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 .75rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--rule); scroll-margin-top: 1rem; }
ul, ol { margin: 0; padding-left: 1.2rem; }
li + li { margin-top: .25rem; }
.tiles { list-style: none; padding: 0; margin: 1rem 0; display: grid; gap: .6rem;
  grid-template-columns: repeat(auto-fill, minmax(min(9.5rem, 100%), 1fr)); }
.tile .range { white-space: normal; }
.tile { background: var(--panel); border-top: 4px solid var(--mid); border-radius: 4px;
  padding: .6rem .75rem; margin: 0; display: flex; flex-direction: column; min-width: 0; }
.tile strong { font-size: 1.35rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile.gain { border-color: var(--good); } .tile.gain strong, .worth { color: var(--good); }
.tile.loss { border-color: var(--bad); } .tile.loss strong { color: var(--bad); }
.worth { font-size: .875rem; font-weight: 600; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 1.25rem 0 0; font-size: .9rem; }
a { color: var(--c0); padding: .25rem 0; }
.note { border-left: 3px solid var(--c1); padding-left: .75rem; margin: .75rem 0 0; }
p.good { color: var(--good); }
.alarms { list-style: none; padding: 0; }
.alarms li { border-left: 3px solid var(--bad); padding-left: .75rem; }
.small, .legend { color: var(--faint); font-size: .875rem; }
figure { margin: 1rem 0 1.75rem; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: .5rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 12px; fill: var(--ink); }
svg text.axis { fill: var(--faint); }
svg text.strong { font-weight: 700; }
svg text.halo { paint-order: stroke; stroke: var(--page); stroke-width: 4px; }
svg.narrow { display: none; max-width: 30rem; }
svg.small { max-width: 30rem; }
svg.swatch { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; flex: none; }
.leader { stroke: var(--faint); stroke-width: 1; }
.legend { display: none; flex-wrap: wrap; gap: .15rem 1rem; margin: .25rem 0 0; }
.legend.always { display: flex; }
.entry { display: inline-flex; align-items: center; min-width: 0; }
@media (max-width: 620px) {
  svg.wide { display: none; } svg.narrow { display: block; } .legend { display: flex; }
}
.pairs { display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); }
.pairs figcaption { font-size: .95rem; }
.grid { stroke: var(--rule); stroke-width: 1; }
.reference { stroke: var(--faint); stroke-width: 1.25; stroke-dasharray: 5 4; }
.event { stroke: var(--bad); stroke-width: 1.25; stroke-dasharray: 2 3; }
.line { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
.thick { stroke-width: 3; }
.band { opacity: .16; }
.fill0 { fill: var(--c0); } .stroke0 { stroke: var(--c0); }
.fill1 { fill: var(--c1); } .stroke1 { stroke: var(--c1); }
.fill2 { fill: var(--c2); } .stroke2 { stroke: var(--c2); }
.fill3 { fill: var(--c3); } .stroke3 { stroke: var(--c3); }
.fill4 { fill: var(--c4); } .stroke4 { stroke: var(--c4); }
.fill5 { fill: var(--c5); } .stroke5 { stroke: var(--c5); }
.fill6 { fill: var(--c6); } .stroke6 { stroke: var(--c6); }
.beside { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr) 15rem; }
.spots { background: var(--panel); border-radius: 4px;
  touch-action: manipulation; cursor: crosshair; }
.dot { opacity: .8; } .dot.wrong { stroke: var(--ink); stroke-width: 1.1px; }
.dot.dim { opacity: .07; }
.dot.chosen { opacity: 1; stroke: var(--ink); stroke-width: 3px; }
.card { background: var(--panel); border-radius: 4px; padding: .75rem; min-height: 9rem;
  overflow-wrap: anywhere; }
.card p { margin: .35rem 0 0; font-size: .9rem; } .card strong { display: block; }
.card img { width: 96px; height: 96px; object-fit: contain; image-rendering: pixelated;
  border-radius: 4px; margin-bottom: .35rem; }
@media (max-width: 720px) { .beside { grid-template-columns: minmax(0, 1fr); } }
.keys { display: flex; flex-wrap: wrap; gap: .35rem .5rem; margin: 0 0 .5rem; }
.key { display: inline-flex; align-items: center; font: inherit; font-size: .85rem;
  color: var(--ink); background: none; border: 1px solid var(--rule); border-radius: 1rem;
  padding: .15rem .65rem; cursor: pointer; max-width: 100%; }
.key[aria-pressed="true"] { border-color: var(--ink); background: var(--panel); font-weight: 600; }
.key:focus-visible, .spots:focus-visible, summary:focus-visible { outline: 2px solid var(--c0); }
.row, .query { list-style: none; padding: 0; margin: 0; display: grid; gap: .6rem;
  grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); }
.neighbours { display: grid; gap: .6rem 1rem; grid-template-columns: 10rem minmax(0, 1fr);
  padding: .75rem 0; border-bottom: 1px solid var(--rule); }
.query { grid-template-columns: minmax(0, 1fr); }
.query .preview { border-top-color: var(--c0); }
.query .preview.good { border-top-color: var(--good); }
.query .preview.bad { border-top-color: var(--bad); }
.listed { columns: 16rem 2; font-size: .9rem; }
.neighbours > div > p { margin: 0 0 .4rem; }
.preview { background: var(--panel); border-top: 3px solid var(--rule); border-radius: 4px;
  padding: .5rem .6rem; margin: 0; min-width: 0; overflow-wrap: anywhere; }
.preview p { margin: 0; }
.preview .label { font-weight: 600; font-size: .9rem; overflow-wrap: break-word; }
.preview .words { font-size: .8rem; line-height: 1.35;
  max-height: 9.5em; overflow: hidden; margin-bottom: .3rem; }
.preview.good { border-top-color: var(--good); } .preview.bad { border-top-color: var(--bad); }
.preview.good .label::after { content: " ✓"; color: var(--good); }
.preview.bad .label::after { content: " ✗"; color: var(--bad); }
.thumb { display: block; width: 72px; height: 72px; object-fit: contain; image-rendering: pixelated;
  margin-bottom: .3rem; border-radius: 3px; }
audio { display: block; width: 100%; max-width: 15rem; height: 2rem; margin-bottom: .3rem; }
@media screen and (max-width: 620px) {
  .neighbours { grid-template-columns: minmax(0, 1fr); }
  .neighbours .row { grid-auto-flow: column; grid-template-columns: none;
    grid-auto-columns: 9rem; overflow-x: auto; }
}
.duos { display: grid; gap: 1rem 2rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); }
.duo { list-style: none; padding: 0; margin: 0; display: grid; gap: .6rem;
  grid-template-columns: 1fr 1fr; }
.pair { margin: 1rem 0; } .pair p { margin: 0 0 .4rem; }
.sheet { display: block; max-width: 100%; height: auto; border-radius: 4px; }
.pretext { margin: 0 0 1rem; background: var(--panel); border-radius: 4px; padding: .6rem .75rem; }
.pretext dt { color: var(--faint); font-size: .85rem; }
.pretext dd { margin: 0 0 .6rem; overflow-wrap: anywhere; } .pretext p { margin: .25rem 0 0; }
.pretext .whole { white-space: pre-wrap; }
mark { color: var(--ink); border-radius: 3px; padding: 0 .2em; }
.hidden { background: var(--hidden); } .changed { background: var(--changed);
  text-decoration: underline wavy 1px; }
.answer { background: var(--answer); font-size: .85em; }
.surprises { background: var(--panel); border-radius: 4px; padding: .6rem .75rem;
  margin: 0 0 1rem; line-height: 1.9; white-space: pre-wrap; overflow-wrap: anywhere; }
.surprises em { font-style: normal; color: var(--faint); }
.surprises span { border-radius: 3px; padding: .1em 0;
  background: rgba(var(--heat), calc(var(--share) * var(--deepest))); }
.explained { margin: 0 0 3rem; }
.weighed { line-height: 1.9; overflow-wrap: anywhere; white-space: pre-wrap; }
.weighed span { border-radius: 3px; padding: .1em .05em; border-bottom: 2px solid transparent; }
.weighed .for { border-bottom-color: var(--c0); }
.weighed .against { border-bottom: 2px dashed var(--c3); }
.weighed .unread { color: var(--faint); font-style: italic; }
.meaning span { padding: .1em .35em; border-radius: 3px; margin-right: .5em; color: var(--ink); }
.heatmaps { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0; }
.heatmaps figure { margin: 0; }
.heatmaps img { width: 18rem; max-width: 100%; border-radius: 4px; display: block; }
.heatmaps figcaption { font-weight: 400; color: var(--faint); font-size: .875rem;
  margin: .25rem 0 0; }
.cells rect { stroke: var(--rule); stroke-width: .1; }
.cells polyline { fill: none; stroke: var(--ink); stroke-width: .3; }
.sides { display: flex; flex-wrap: wrap; gap: 0 3rem; }
.sides > div { flex: 1 1 14rem; }
.alike td, .alike th { vertical-align: top; }
h3 { font-size: .95rem; margin: 1.25rem 0 .25rem; }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: baseline;
  border-bottom: 1px solid var(--rule); }
thead th { color: var(--faint); font-weight: 600; }
tbody th { font-weight: 400; min-width: 8rem; overflow-wrap: break-word; }
.heat { width: auto; font-size: .8rem; }
.heat th, .heat td { padding: .2rem; border: 0; text-align: center; }
.heat thead th { vertical-align: bottom; }
.heat thead th span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
.heat tbody th { text-align: right; min-width: 0; padding-right: .5rem; white-space: nowrap; }
.heat tbody td { min-width: 1.9rem; height: 1.9rem; vertical-align: middle;
  background: rgba(var(--heat), calc(var(--share) * var(--deepest))); }
.heat td.right { outline: 1px solid var(--faint); outline-offset: -1px; }
.heat.short thead th span { writing-mode: horizontal-tb; transform: none; }
.heat .corner { color: var(--faint); vertical-align: bottom; white-space: nowrap; }
.bar { min-width: 8rem; background: var(--panel); border-radius: 3px; }
.bar span { display: block; height: .8rem; border-radius: 3px; background: var(--c0);
  min-width: 2px; }
td small { color: var(--faint); }
summary { cursor: pointer; padding: .5rem 0; }
.group th { font-weight: 600; background: var(--panel); padding: .4rem .5rem; }
.range { color: var(--faint); font-size: .8rem; white-space: nowrap; }
code { font-size: .9em; overflow-wrap: anywhere; }
pre code { overflow-wrap: normal; }
pre { background: var(--panel); padding: .75rem 1rem; overflow-x: auto; border-radius: 4px; }
@media print {
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; } nav, .card { display: none; }
  .beside { grid-template-columns: minmax(0, 1fr); }
  figure, .tile, .preview, .pair, .neighbours, tr { break-inside: avoid; }
  h2 { break-after: avoid; } pre { white-space: pre-wrap; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
""".strip()
