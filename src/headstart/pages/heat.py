"""A confusion matrix as a table, whose cells are darker for larger shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.pages.markup import Markup, cut, cut_within, tag

_LETTERS = 24


def heat_table(title: str, names: Sequence[str], shares: np.ndarray) -> Markup:
    """Return a figure of shares (K,K), each row a class, in whole percent; the diagonal is framed.

    Cells below half a percent are left blank, so that the others stand out.
    """
    short = [cut(name, _LETTERS) for name in names]
    if len(set(short)) < len(set(names)):  # they differ in their ends only
        short = [cut_within(name, _LETTERS) for name in names]
    corner = tag("td", "is ↓ taken for →", class_="corner")
    head = tag(
        "tr",
        corner,
        *(
            tag("th", tag("span", name), scope="col", title=full)
            for name, full in zip(short, names, strict=True)
        ),
    )
    rows = [
        tag(
            "tr",
            tag("th", short[i], scope="row", title=names[i]),
            *(_cell(float(share), i == j, names[i], names[j]) for j, share in enumerate(row)),
        )
        for i, row in enumerate(shares)
    ]
    grid = tag(
        "table",
        tag("thead", head),
        tag("tbody", *rows),
        class_=f"heat{' short' if max(map(len, short)) <= 3 else ''}",
    )
    return tag("figure", tag("figcaption", title), tag("div", grid, class_="scroll"))


def _cell(share: float, right: bool, row: str, column: str) -> Markup:
    written = f"{100 * share:.0f}" if share >= 0.005 else ""
    kind = {"class_": "right"} if right else {}
    what = f"{100 * share:.1f}% of {cut(row, _LETTERS)} are taken for {cut(column, _LETTERS)}"
    return tag("td", written, style=f"--share:{share:.3f}", title=what, **kind)
