"""What the pages of a server need beside the style of all pages."""

OWN_STYLE = """
.pick { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; margin: 0 0 .25rem; }
.small { color: var(--faint); font-size: .875rem; }
label { font-weight: 600; }
select, textarea, input, button { font: inherit; color: var(--ink); background: var(--page);
  border: 1px solid var(--rule); border-radius: 4px; }
select { padding: .45rem .6rem; min-width: 10rem; max-width: 100%; }
section > label { display: block; margin: 1.75rem 0 .4rem; }
textarea { display: block; width: 100%; padding: .6rem .75rem; resize: vertical; }
.drop { border: 2px dashed var(--rule); border-radius: 6px; padding: 1.5rem 1rem; cursor: pointer;
  text-align: center; font-weight: 400; color: var(--faint); }
.drop.over, .drop:focus-within { border-color: var(--c0); color: var(--ink); }
.drop img { display: block; margin: .75rem auto 0; max-width: 100%; max-height: 14rem;
  border-radius: 4px; }
.unseen { position: absolute; opacity: 0; width: 1px; height: 1px; }
.actions { display: flex; flex-wrap: wrap; gap: .5rem; margin: .9rem 0 0; }
.actions button { padding: .55rem 1rem; min-height: 2.75rem; cursor: pointer; }
.actions button:first-child { background: var(--c0); border-color: var(--c0);
  color: var(--page); font-weight: 600; }
button:disabled { opacity: .5; cursor: default; }
:is(button, select, textarea, a):focus-visible { outline: 3px solid var(--c0);
  outline-offset: 2px; }
[hidden] { display: none !important; }
.fault { color: var(--bad); }
.shares { display: grid; gap: .45rem .75rem; align-items: center;
  grid-template-columns: minmax(5rem, max-content) 1fr 4rem; max-width: 44rem; margin: .5rem 0; }
.shares > span { overflow-wrap: anywhere; }
.shares .figure { text-align: right; font-variant-numeric: tabular-nums; }
.near { list-style: none; padding: 0; margin: .5rem 0; max-width: 52rem; }
.near li { display: grid; grid-template-columns: 3.5rem 1fr; gap: .1rem .75rem; padding: .5rem 0;
  border-bottom: 1px solid var(--rule); margin: 0; }
.near .figure { font-variant-numeric: tabular-nums; color: var(--faint); }
.near small { grid-column: 2; color: var(--faint); overflow-wrap: anywhere; }
.written { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel);
  border-radius: 4px; padding: .75rem 1rem; min-height: 3rem; }
.vector { overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
h3 code { font-size: 1rem; }
.route { border-top: 1px solid var(--rule); padding: .25rem 0 1rem; margin-top: 1.25rem; }
.method { display: inline-block; min-width: 3.2rem; color: var(--faint); font-size: .85rem; }
"""
