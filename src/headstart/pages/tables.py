"""A table for the console, for a page, and as plain values for a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headstart.pages.markup import Markup, table, tag

if TYPE_CHECKING:
    from rich.console import RenderableType

_NUMBER = re.compile(r"(less than )?[\d.,]+%?|")


@dataclass(frozen=True)
class Table:
    """Rows of words and numbers.

    Attributes:
        title: the heading.
        rows: the cells of each row, as text.
        head: the name of each column, or empty.
        note: a sentence below it, or empty.
    """

    title: str
    rows: Sequence[Sequence[str]]
    head: Sequence[str] = field(default_factory=list)
    note: str = ""

    def plain(self) -> dict[str, Any]:
        """Return plain values; ``Table(**values)`` restores the table."""
        rows = [list(row) for row in self.rows]
        return {"title": self.title, "rows": rows, "head": list(self.head), "note": self.note}

    def html(self) -> Markup:
        """Return it as a section of a page."""
        parts = [tag("h2", self.title), table(list(self.head), {"": list(map(list, self.rows))})]
        if self.note:
            parts.append(tag("p", self.note, class_="small"))
        return tag("section", *parts)

    def printed(self) -> RenderableType:
        """Return it for the console; columns of numbers are right-aligned."""
        import rich.box
        from rich.markup import escape
        from rich.table import Table as Printed

        made = Printed(
            title=self.title,
            title_style="bold",
            title_justify="left",
            box=rich.box.SIMPLE_HEAD if self.head else None,
            show_header=bool(self.head),
            header_style="dim",
            pad_edge=False,
            caption=escape(self.note) or None,
            caption_justify="left",
        )
        columns = list(zip(*self.rows, strict=True)) if self.rows else [()] * len(self.head)
        for index, cells in enumerate(columns):
            numbers = any(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)
            made.add_column(
                self.head[index] if self.head else "",
                justify="right" if numbers else "left",
                overflow="fold",
            )
        for row in self.rows:
            made.add_row(*map(escape, row))
        return made
