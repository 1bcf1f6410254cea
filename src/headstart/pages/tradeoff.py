"""What a point of quality costs: each candidate's score by its speed, as SVG without any script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.pages.charts import LEFT, TOP, legend, marker, scale, ticks
from headstart.pages.markup import Markup, join, tag

_BOTTOM, _LETTER, _LINE = 44, 6.6, 15
#: Where a name may stand beside its mark: side and lines up or down, the best first.
_PLACES = [(side, line) for line in (0, -1, 1, -2, 2, -3, 3) for side in ("right", "left")]


@dataclass(frozen=True)
class Place:
    """One candidate.

    Attributes:
        name: what stands beside its mark.
        x: positive; the axis is logarithmic.
        y: its score.
        words: more on it, shown under the pointer.
        strong: emphasised.
    """

    name: str
    x: float
    y: float
    words: str
    strong: bool = False


@dataclass(frozen=True)
class _Box:
    left: float
    right: float
    top: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        beside = self.right < other.left or other.right < self.left
        return not (beside or self.bottom < other.top or other.bottom < self.top)


def tradeoff(title: str, places: Sequence[Place], *, x_label: str, y_label: str) -> Markup:
    """Return a figure with a title that states the finding, and the chart in both widths.

    Where the screen is narrow the names stand below it.
    """
    return tag(
        "figure",
        tag("figcaption", title),
        *(
            _draw(title, places, x_label, y_label, kind, size)
            for kind, size in (("wide", (760, 320)), ("narrow", (360, 280)))
        ),
        legend([place.name for place in places]),
    )


def decades(low: float, high: float) -> list[float]:
    """Return the powers of ten, and where they are few 2 and 5 times them, around two numbers."""
    powers = [10.0**power for power in range(-3, 10)]
    every = sorted(factor * power for power in powers for factor in (1, 2, 5))
    for marks in (powers, every):
        within = [x for x in marks if low / 1.5 <= x <= high * 1.5]
        if len(within) >= 3:
            return within
    return within


def _draw(
    title: str,
    places: Sequence[Place],
    x_label: str,
    y_label: str,
    kind: str,
    size: tuple[int, int],
) -> Markup:
    width, height = size
    right, bottom = width - 14, height - _BOTTOM
    xs, ys = [place.x for place in places], [place.y for place in places]
    y_marks = ticks(min(ys), max(ys), 5)
    x_marks = decades(min(xs), max(xs))
    edges = [*xs, *x_marks]
    to_x = scale(min(edges), max(edges), LEFT + 12, right - 12, log=True)
    to_y = scale(y_marks[0], y_marks[-1], bottom, TOP, log=False)
    parts = [
        join(
            tag("line", x1=LEFT, x2=right, y1=to_y(y), y2=to_y(y), class_="grid"),
            tag("text", f"{y:,.10g}", x=LEFT - 6, y=to_y(y) + 4, text_anchor="end"),
        )
        for y in y_marks
    ]
    parts += [
        join(
            tag("line", x1=to_x(x), x2=to_x(x), y1=TOP, y2=bottom, class_="grid"),
            tag("text", f"{x:,.10g}", x=to_x(x), y=bottom + 18, text_anchor="middle"),
        )
        for x in x_marks
    ]
    middle = (LEFT + right) / 2
    parts.append(tag("text", x_label, x=middle, y=height - 6, text_anchor="middle", class_="axis"))
    parts.append(tag("text", y_label, x=0, y=12, class_="axis"))
    spots = [(to_x(place.x), to_y(place.y)) for place in places]
    if kind == "wide":
        parts += _names(places, spots, _Box(LEFT, right, TOP - 10, bottom))
    for index, (place, (x, y)) in reversed(list(enumerate(zip(places, spots, strict=True)))):
        words = tag("title", f"{place.name}: {place.words}")
        parts.append(tag("g", words, marker(index, x, y)))
    name = tag("title", f"{title} ({y_label} by {x_label})")
    return tag("svg", name, *parts, viewBox=f"0 0 {width} {height}", role="img", class_=kind)


def _names(
    places: Sequence[Place], spots: Sequence[tuple[float, float]], frame: _Box
) -> list[Markup]:
    """Return the names, each where it covers no mark and no other name, as far as there is room."""
    taken = [_Box(x - 6, x + 6, y - 6, y + 6) for x, y in spots]
    parts = []
    for index, (place, (x, y)) in enumerate(zip(places, spots, strict=True)):
        others = taken[:index] + taken[index + 1 :]
        free = [
            (side, box)
            for side, box in (_spot(x, y, place.name, *where) for where in _PLACES)
            if frame.left <= box.left and box.right <= frame.right
            and frame.top <= box.top and box.bottom <= frame.bottom + 8
            and not any(box.meets(other) for other in others)
        ]  # fmt: skip
        side, box = free[0] if free else _spot(x, y, place.name, *_PLACES[0])
        taken.append(box)
        anchor = {"right": "start", "left": "end"}[side]
        at = box.left if side == "right" else box.right
        weight = "strong halo" if place.strong else "halo"
        parts.append(
            tag("text", place.name, x=at, y=box.bottom - 3, text_anchor=anchor, class_=weight)
        )
    return parts


def _spot(x: float, y: float, name: str, side: str, line: int) -> tuple[str, _Box]:
    wide, middle = _LETTER * len(name), y + line * _LINE
    left = x + 9 if side == "right" else x - 9 - wide
    return side, _Box(left, left + wide, middle - 7, middle + 7)
