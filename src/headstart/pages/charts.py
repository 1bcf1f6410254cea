"""Line charts with interval bands, as SVG without any script.

Each chart is drawn twice, for wide and for narrow screens, so that its text keeps its size; the
page's style sheet shows one of the two. The colours are those of Okabe and Ito ("Color Universal
Design", 2008), which colour-blind readers can distinguish, darkened on white to a contrast of 3:1;
markers differ, too. The wide chart names each line at its end, the narrow one in a legend below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headstart.pages.markup import Markup, join, tag

TOP, LEFT, _BOTTOM = 30, 46, 44
_LINE = 15  # the smallest distance between two names, in pixels
#: Room for the names at the ends of the lines, in pixels: the longest of them decides.
_LEAST, _MOST, _LETTER = 170, 300, 6
COLOURS = 7


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        name: the label at the line's end.
        points: (x, y), in rising x.
        bands: the interval (low, high) of each point, or empty.
        strong: drawn thicker than the other lines.
    """

    name: str
    points: Sequence[tuple[float, float]]
    bands: Sequence[tuple[float, float]] = ()
    strong: bool = False


@dataclass(frozen=True)
class _Frame:
    """Axes, reference line and events of a chart."""

    x_label: str
    y_label: str
    x_ticks: Sequence[tuple[float, str]] | None = None
    log_x: bool = False
    reference: tuple[float, str] | None = None
    events: Sequence[tuple[float, str]] = ()


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[tuple[float, str]] | None = None,
    log_x: bool = False,
    events: Sequence[tuple[float, str]] = (),
) -> Markup:
    """Return a figure with a title that states the finding, and the chart in both widths.

    Args:
        x_ticks: positions and labels of the ticks on the x axis; round numbers by default.
        log_x: a logarithmic x axis.
        events: x positions and what happened there, drawn as vertical lines.
    """
    frame = _Frame(x_label, y_label, x_ticks, log_x, events=events)
    return tag(
        "figure",
        tag("figcaption", title),
        _draw(title, series, frame, "wide", (760, 300), _room(series)),
        _draw(title, series, frame, "narrow", (360, 280), 12),
        *([legend([line.name for line in series])] if len(series) > 1 else []),
    )


def small_chart(
    title: str,
    line: Series,
    *,
    x_label: str,
    y_label: str,
    reference: tuple[float, str] | None = None,
    events: Sequence[tuple[float, str]] = (),
) -> Markup:
    """Return a figure with one line, small enough that two fit side by side.

    Args:
        reference: a value and its name, drawn as a dashed horizontal line.
        events: see :func:`line_chart`.
    """
    frame = _Frame(x_label, y_label, reference=reference, events=events)
    drawn = _draw(title, [line], frame, "small", (360, 200), 12)
    return tag("figure", tag("figcaption", title), drawn)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round numbers that span ``low`` to ``high``."""
    step = (high - low) / count or 1.0
    power = 10 ** math.floor(math.log10(step))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * number, 10) for number in range(first, last + 1)]


def spread(positions: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Move positions within ``low`` to ``high`` until neighbours are ``least`` apart."""
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    moved = list(positions)
    edge = low
    for index in order:
        moved[index] = edge = max(positions[index], edge)
        edge += least
    edge = high
    for index in reversed(order):
        moved[index] = edge = min(moved[index], edge)
        edge -= least
    return moved


def _draw(
    title: str,
    series: Sequence[Series],
    frame: _Frame,
    kind: str,
    size: tuple[int, int],
    label_width: int,
) -> Markup:
    width, height = size
    right, bottom = width - label_width, height - _BOTTOM
    xs = [x for line in series for x, _ in line.points]
    ys = [y for line in series for _, y in line.points]
    ys += [edge for line in series for band in line.bands for edge in band]
    ys += [frame.reference[0]] if frame.reference else []
    y_marks = ticks(min(ys), max(ys), 5 if height > 250 else 3)
    x_marks = frame.x_ticks or [
        (x, f"{x:,.10g}") for x in ticks(min(xs), max(xs), 4) if x <= max(xs)
    ]
    to_x = scale(min(xs), max(xs), LEFT + 6, right - 10, log=frame.log_x)
    to_y = scale(y_marks[0], y_marks[-1], bottom, TOP, log=False)
    parts = [
        join(
            tag("line", x1=LEFT, x2=right, y1=to_y(y), y2=to_y(y), class_="grid"),
            tag("text", _short(y), x=LEFT - 6, y=to_y(y) + 4, text_anchor="end"),
        )
        for y in y_marks
    ]
    parts += [
        tag("text", name, x=x, y=bottom + 18, text_anchor=anchor)
        for x, name, anchor in _without_overlaps([(to_x(x), name) for x, name in x_marks], width)
    ]
    middle = (LEFT + right) / 2
    parts.append(
        tag("text", frame.x_label, x=middle, y=height - 6, text_anchor="middle", class_="axis")
    )
    parts.append(tag("text", frame.y_label, x=0, y=12, class_="axis"))
    parts += [_event(to_x(x), bottom, what) for x, what in frame.events]
    if frame.reference:
        parts.append(_reference(*frame.reference, to_y, right))
    lines = [(index, line) for index, line in enumerate(series) if line.points]
    parts += [_band(line, index, to_x, to_y) for index, line in lines if line.bands]
    parts += [_line(line, index, to_x, to_y) for index, line in reversed(lines)]
    if kind == "wide":
        parts += _names(lines, to_y, right, bottom, label_width)
    return tag(
        "svg",
        tag("title", f"{title} ({frame.y_label} by {frame.x_label})"),
        *parts,
        viewBox=f"0 0 {width} {height}",
        role="img",
        class_=kind,
    )


def _names(
    lines: Sequence[tuple[int, Series]],
    to_y: Callable[[float], float],
    right: float,
    bottom: float,
    room: int,
) -> list[Markup]:
    """Return a marker and a name at the end of each line, moved apart where they would overlap."""
    ends = spread([to_y(line.points[-1][1]) for _, line in lines], _LINE, TOP + 4, bottom)
    letters = (room - 14) // _LETTER
    parts = []
    for (index, line), y in zip(lines, ends, strict=True):
        name = line.name if len(line.name) <= letters else f"{line.name[: letters - 1]}…"
        weight = {"class_": "strong"} if line.strong else {}
        parts.append(marker(index, right + 6, y))
        parts.append(tag("text", name, x=right + 14, y=y + 4, **weight))
    return parts


def _room(series: Sequence[Series]) -> int:
    """Return the pixels that the names beside a wide chart take."""
    longest = max((len(line.name) for line in series), default=0)
    return min(_MOST, max(_LEAST, 14 + _LETTER * (longest + 1)))


def legend(names: Sequence[str], *, always: bool = False) -> Markup:
    """Return names with their markers, for narrow screens or for all."""
    entries = []
    for index, name in enumerate(names):
        drawn = tag(
            "svg", marker(index, 6, 6), viewBox="0 0 12 12", class_="swatch", aria_hidden="true"
        )
        entries.append(tag("span", drawn, name, class_="entry"))
    return tag("p", *entries, class_="legend always" if always else "legend")


def _reference(height: float, name: str, to_y: Callable[[float], float], right: float) -> Markup:
    y = to_y(height)
    line = tag("line", x1=LEFT, x2=right, y1=y, y2=y, class_="reference")
    spot = {"x": right - 4, "y": y - 5 if y > TOP + 14 else y + 14}
    return join(line, tag("text", name, **spot, text_anchor="end", class_="axis halo"))


def _event(x: float, bottom: float, what: str) -> Markup:
    line = tag("line", x1=x, x2=x, y1=TOP, y2=bottom, class_="event")
    return tag("g", tag("title", what), line, tag("text", "⚠", x=x - 6, y=TOP - 2))


def _band(
    line: Series, index: int, to_x: Callable[[float], float], to_y: Callable[[float], float]
) -> Markup:
    xs = [to_x(x) for x, _ in line.points]
    upper = [f"{x:.1f},{to_y(high):.1f}" for x, (_, high) in zip(xs, line.bands, strict=True)]
    lower = [f"{x:.1f},{to_y(low):.1f}" for x, (low, _) in zip(xs, line.bands, strict=True)]
    return tag(
        "polygon", points=" ".join(upper + lower[::-1]), class_=f"band fill{index % COLOURS}"
    )


def _line(
    line: Series, index: int, to_x: Callable[[float], float], to_y: Callable[[float], float]
) -> Markup:
    points = [(to_x(x), to_y(y)) for x, y in line.points]
    path = tag(
        "polyline",
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        class_=f"line stroke{index % COLOURS}" + (" thick" if line.strong else ""),
    )
    if not line.bands:
        return path
    marks = [
        tag("g", tag("title", f"{line.name}: {value:.4g} [{low:.4g}, {high:.4g}]"), drawn)
        for (_, value), (low, high), drawn in zip(
            line.points, line.bands, (marker(index, x, y) for x, y in points), strict=True
        )
    ]
    return join(path, *marks)


def marker(index: int, x: float, y: float) -> Markup:
    """Return a circle, square, triangle or diamond, in turn."""
    shapes = [(), (-4, -4, 4, -4, 4, 4, -4, 4), (0, -5, 5, 4, -5, 4), (0, -5, 5, 0, 0, 5, -5, 0)]
    shape = shapes[index % len(shapes)]
    colour = f"fill{index % COLOURS}"
    if not shape:
        return tag("circle", cx=x, cy=y, r=4, class_=colour)
    corners = zip(shape[::2], shape[1::2], strict=True)
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return tag("polygon", points=points, class_=colour)


def scale(
    low: float, high: float, start: float, end: float, *, log: bool
) -> Callable[[float], float]:
    """Return what maps values from ``low`` to ``high`` onto pixels from ``start`` to ``end``."""
    if log:
        low, high = math.log(low), math.log(high)

    def position(value: float) -> float:
        share = ((math.log(value) if log else value) - low) / (high - low) if high > low else 1.0
        return start + share * (end - start)

    return position


def _without_overlaps(
    marks: Sequence[tuple[float, str]], width: int
) -> list[tuple[float, str, str]]:
    """Return ticks whose names do not overlap, the last one always kept, each with its anchor."""
    kept: list[tuple[float, str, str]] = []
    edge = float(width)
    for x, name in reversed(marks):
        half = 3.5 * len(name)
        anchor = "end" if x + half > width else "middle"
        start, end = (x - 2 * half, x) if anchor == "end" else (x - half, x + half)
        if end < edge:
            kept.append((x, name, anchor))
            edge = start - 6
    return kept


def _short(value: float) -> str:
    return f"{value:,.10g}"
