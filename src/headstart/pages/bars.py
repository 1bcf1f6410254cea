"""Bars for shares, in a table that narrow screens and programs can read as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.pages.markup import Markup, table, tag


@dataclass(frozen=True)
class Bar:
    """One row: a share in 0..1 with its name, as text, and a remark that may be empty."""

    name: str
    share: float
    written: str
    note: str = ""


def bars(rows: Sequence[Bar], head: Sequence[str] = ("", "", "")) -> Markup:
    """Return a row with a bar for each share; the longest bar is the largest share."""
    largest = max((row.share for row in rows), default=0.0) or 1.0
    cells = [
        [
            row.name,
            tag("div", tag("span", style=f"width: {100 * row.share / largest:.1f}%"), class_="bar"),
            tag("span", row.written, tag("small", f" {row.note}") if row.note else Markup("")),
        ]
        for row in rows
    ]
    return table(list(head), {"": cells})
