"""Dot chart: one value per candidate with its interval, for protocols that use no labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.pages.charts import ticks
from headstart.pages.markup import Markup, join, tag

_ROW, _TOP, _BOTTOM = 46, 6, 44


@dataclass(frozen=True)
class Dot:
    """One row: a value with its interval ``low`` to ``high``; ``written`` is the value as text."""

    name: str
    value: float
    low: float
    high: float
    written: str
    strong: bool = False


def dot_chart(title: str, rows: Sequence[Dot], *, x_label: str) -> Markup:
    """Return a figure with a title that states the finding: a dot and its interval for each row."""
    drawings = [
        _draw(title, rows, x_label, kind, w) for kind, w in (("wide", 760), ("narrow", 360))
    ]
    return tag("figure", tag("figcaption", title), *drawings)


def _draw(title: str, rows: Sequence[Dot], x_label: str, kind: str, width: int) -> Markup:
    marks = ticks(min(row.low for row in rows), max(row.high for row in rows), 4)
    left, right, bottom = 16, width - 24, _TOP + _ROW * len(rows)

    def to_x(value: float) -> float:
        reach = (marks[-1] - marks[0]) or 1.0
        return left + (value - marks[0]) / reach * (right - left)

    parts = [
        join(
            tag("line", x1=to_x(x), x2=to_x(x), y1=_TOP, y2=bottom, class_="grid"),
            tag("text", f"{x:,.10g}", x=to_x(x), y=bottom + 16, text_anchor="middle"),
        )
        for x in marks
    ]
    parts.append(
        tag("text", x_label, x=width / 2, y=bottom + 36, text_anchor="middle", class_="axis")
    )
    for index, row in enumerate(rows):
        y = _TOP + _ROW * index + 32
        colour = 0 if row.strong else 6
        kind_of = "strong halo" if row.strong else "halo"
        parts.append(tag("text", f"{row.name}: {row.written}", x=left, y=y - 14, class_=kind_of))
        ends = {"x1": to_x(row.low), "x2": to_x(row.high), "y1": y, "y2": y}
        parts.append(tag("line", **ends, class_=f"line thick stroke{colour}"))
        parts.append(tag("circle", cx=to_x(row.value), cy=y, r=6, class_=f"fill{colour}"))
    name = tag("title", f"{title} ({x_label})")
    box = f"0 0 {width} {bottom + _BOTTOM}"
    return tag("svg", name, *parts, viewBox=box, role="img", class_=kind)
