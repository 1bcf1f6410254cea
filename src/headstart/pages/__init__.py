"""How anything looks in HTML: one style, charts as SVG, and a page in one file."""
