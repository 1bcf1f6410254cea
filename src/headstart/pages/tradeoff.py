"""What a point of quality costs: each candidate's score by its speed, as SVG without any script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

from headstart.pages.charts import LEFT, TOP, legend, marker, scale, ticks
from headstart.pages.markup import Markup, cut, join, tag

_BOTTOM, _LETTER, _LINE = 44, 6.8, 15
#: How much wider bold letters are, and the most letters of a name beside its mark.
_BOLD, _LETTERS = 1.12, 44
#: Where a name may stand beside its mark: side and lines up or down, the best first.
_LINES = sorted(range(-16, 17), key=lambda line: (abs(line), line))
_PLACES = [(side, line) for line in _LINES for side in ("right", "left")]


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

    def lies_in(self, frame: _Box) -> bool:
        across = frame.left <= self.left and self.right <= frame.right
        return across and frame.top <= self.top and self.bottom <= frame.bottom + 8


def tradeoff(title: str, places: Sequence[Place], *, x_label: str, y_label: str) -> Markup:
    """Return a figure with a title that states the finding, and the chart in both widths.

    Where the screen is narrow, or has no room for all, the names stand below it.
    """
    wide, has_room = _draw(title, places, x_label, y_label, "wide", (760, 320))
    narrow, _ = _draw(title, places, x_label, y_label, "narrow", (360, 280))
    names = legend([place.name for place in places], always=not has_room)
    return tag("figure", tag("figcaption", title), wide, narrow, names)


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
) -> tuple[Markup, bool]:
    """Return the chart, and whether it has the names of all."""
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
    names, has_room = _names(places, spots, _Box(LEFT, right, TOP - 10, bottom))
    parts += names if kind == "wide" else []
    for index, (place, (x, y)) in reversed(list(enumerate(zip(places, spots, strict=True)))):
        words = tag("title", f"{place.name}: {place.words}")
        parts.append(tag("g", words, marker(index, x, y)))
    name = tag("title", f"{title} ({y_label} by {x_label})")
    drawn = tag("svg", name, *parts, viewBox=f"0 0 {width} {height}", role="img", class_=kind)
    return drawn, has_room


def _names(
    places: Sequence[Place], spots: Sequence[tuple[float, float]], frame: _Box
) -> tuple[list[Markup], bool]:
    """Return the names, and whether there is room for all.

    Each stands where it covers no mark and no other name, and inside the frame; a line leads to one
    that is not beside its mark.
    """
    taken = [_Box(x - 6, x + 6, y - 6, y + 6) for x, y in spots]
    parts: list[Markup] = []
    for index, (place, (x, y)) in enumerate(zip(places, spots, strict=True)):
        name, others = cut(place.name, _LETTERS), taken[:index] + taken[index + 1 :]
        free = (
            (side, line, box)
            for side, line in _PLACES
            for box in [_spot(x, y, _width(name, place.strong), side, line)]
            if box.lies_in(frame) and not any(box.meets(other) for other in others)
        )
        if (found := next(free, None)) is None:
            continue
        side, line, box = found
        taken.append(box)
        anchor, at = ("start", box.left) if side == "right" else ("end", box.right)
        if abs(line) > 1:
            end = {"x2": at - 1 if side == "right" else at + 1, "y2": box.bottom - 7}
            parts.append(tag("line", x1=x, y1=y, **end, class_="leader"))
        weight = "strong halo" if place.strong else "halo"
        parts.append(tag("text", name, x=at, y=box.bottom - 3, text_anchor=anchor, class_=weight))
    return parts, len(taken) == 2 * len(places)


def _width(name: str, strong: bool) -> float:
    """Return about how wide a name is drawn; letters of Chinese and Japanese are twice as wide."""
    letters = sum(2 if east_asian_width(letter) in "FW" else 1 for letter in name)
    return letters * _LETTER * (_BOLD if strong else 1)


def _spot(x: float, y: float, wide: float, side: str, line: int) -> _Box:
    middle = y + line * _LINE
    left = x + 9 if side == "right" else x - 9 - wide
    return _Box(left, left + wide, middle - 7, middle + 7)
