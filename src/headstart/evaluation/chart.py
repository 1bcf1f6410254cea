"""Line charts with interval bands, as SVG without any script.

Each is drawn twice, for a wide and for a narrow screen, so that its letters keep their size; the
page's style shows one. Colours are those of Okabe and Ito ("Color Universal Design", 2008), which
the colour-blind can tell apart; markers differ, too, and every line bears its name at its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headstart.evaluation.markup import Markup, join, tag

_HEIGHT = 300
_TOP, _BOTTOM, _LEFT = 30, 44, 46
_LINE = 15  # the least distance between two names, in pixels
COLOURS = 7


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        name: stands at the line's end.
        points: (x, y), x rising.
        bands: (low, high) of each point, or none.
        strong: drawn thicker than the others.
    """

    name: str
    points: Sequence[tuple[float, float]]
    bands: Sequence[tuple[float, float]] = ()
    strong: bool = False


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[tuple[float, str]] | None = None,
    log_x: bool = False,
) -> Markup:
    """Return a figure with a title that states the finding, and the chart in both widths.

    Args:
        x_ticks: places and names of the marks on the x axis; round numbers by default.
        log_x: a logarithmic x axis.
    """
    drawings = [
        _draw(series, width, label_width, x_label, y_label, x_ticks, log_x, title, kind)
        for kind, width, label_width in (("wide", 760, 170), ("narrow", 360, 144))
    ]
    return tag("figure", tag("figcaption", title), *drawings)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round numbers that span ``low`` to ``high``."""
    step = (high - low) / count or 1.0
    power = 10 ** math.floor(math.log10(step))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * place, 10) for place in range(first, last + 1)]


def spread(places: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Move places between ``low`` and ``high`` until neighbours are ``least`` apart."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = list(places)
    edge = low
    for index in order:
        moved[index] = edge = max(places[index], edge)
        edge += least
    edge = high
    for index in reversed(order):
        moved[index] = edge = min(moved[index], edge)
        edge -= least
    return moved


def _draw(
    series: Sequence[Series],
    width: int,
    label_width: int,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[tuple[float, str]] | None,
    log_x: bool,
    title: str,
    kind: str,
) -> Markup:
    right, bottom = width - label_width, _HEIGHT - _BOTTOM
    xs = [x for line in series for x, _ in line.points]
    ys = [y for line in series for _, y in line.points]
    ys += [edge for line in series for band in line.bands for edge in band]
    y_marks = ticks(min(ys), max(ys))
    x_marks = x_ticks or [(x, f"{x:,.0f}") for x in ticks(min(xs), max(xs), 4) if x <= max(xs)]
    to_x = _scale(min(xs), max(xs), _LEFT + 6, right - 10, log_x)
    to_y = _scale(y_marks[0], y_marks[-1], bottom, _TOP, False)
    parts = [
        join(
            tag("line", x1=_LEFT, x2=right, y1=to_y(y), y2=to_y(y), class_="grid"),
            tag("text", _short(y), x=_LEFT - 6, y=to_y(y) + 4, text_anchor="end"),
        )
        for y in y_marks
    ]
    parts += [
        tag("text", name, x=x, y=bottom + 18, text_anchor="middle")
        for x, name in _apart([(to_x(x), name) for x, name in x_marks])
    ]
    middle = (_LEFT + right) / 2
    parts.append(tag("text", x_label, x=middle, y=_HEIGHT - 6, text_anchor="middle", class_="axis"))
    parts.append(tag("text", y_label, x=0, y=12, class_="axis"))
    places = [(place, line) for place, line in enumerate(series) if line.points]
    parts += [_band(line, place, to_x, to_y) for place, line in places if line.bands]
    parts += [_line(line, place, to_x, to_y) for place, line in reversed(places)]
    ends = spread([to_y(line.points[-1][1]) for _, line in places], _LINE, _TOP + 4, bottom)
    letters = (label_width - 14) // 6
    for (place, line), y in zip(places, ends, strict=True):
        name = line.name if len(line.name) <= letters else f"{line.name[: letters - 1]}…"
        parts.append(_marker(place, right + 6, y))
        weight = {"class_": "strong"} if line.strong else {}
        parts.append(tag("text", name, x=right + 14, y=y + 4, **weight))
    return tag(
        "svg",
        tag("title", f"{title} ({y_label} by {x_label})"),
        *parts,
        viewBox=f"0 0 {width} {_HEIGHT}",
        role="img",
        class_=kind,
    )


def _band(
    line: Series, place: int, to_x: Callable[[float], float], to_y: Callable[[float], float]
) -> Markup:
    xs = [to_x(x) for x, _ in line.points]
    upper = [f"{x:.1f},{to_y(high):.1f}" for x, (_, high) in zip(xs, line.bands, strict=True)]
    lower = [f"{x:.1f},{to_y(low):.1f}" for x, (low, _) in zip(xs, line.bands, strict=True)]
    return tag("polygon", points=" ".join(upper + lower[::-1]), class_=f"band fill{place}")


def _line(
    line: Series, place: int, to_x: Callable[[float], float], to_y: Callable[[float], float]
) -> Markup:
    points = [(to_x(x), to_y(y)) for x, y in line.points]
    path = tag(
        "polyline",
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        class_=f"line stroke{place}" + (" thick" if line.strong else ""),
    )
    return join(path, *(_marker(place, x, y) for x, y in points)) if line.bands else path


def _marker(place: int, x: float, y: float) -> Markup:
    """Return a circle, a square, a triangle or a diamond, by turns."""
    shapes = [(), (-4, -4, 4, -4, 4, 4, -4, 4), (0, -5, 5, 4, -5, 4), (0, -5, 5, 0, 0, 5, -5, 0)]
    shape = shapes[place % len(shapes)]
    if not shape:
        return tag("circle", cx=x, cy=y, r=4, class_=f"fill{place}")
    corners = zip(shape[::2], shape[1::2], strict=True)
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return tag("polygon", points=points, class_=f"fill{place}")


def _scale(
    low: float, high: float, start: float, end: float, log: bool
) -> Callable[[float], float]:
    if log:
        low, high = math.log(low), math.log(high)

    def place(value: float) -> float:
        share = ((math.log(value) if log else value) - low) / (high - low) if high > low else 1.0
        return start + share * (end - start)

    return place


def _apart(marks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Leave out marks whose names would overlap; the last one stays."""
    kept: list[tuple[float, str]] = []
    for x, name in reversed(marks):
        if not kept or kept[-1][0] - x > 4 * (len(name) + len(kept[-1][1])):
            kept.append((x, name))
    return kept


def _short(value: float) -> str:
    return f"{value:,.10g}"
