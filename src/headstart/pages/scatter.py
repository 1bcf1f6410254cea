"""A scatter plot of records, and a card that shows the record under the pointer.

The text is each mark's title as well, so that it can be read without scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.pages.markup import Markup, tag

_SIDE, _EDGE = 640, 14
_HEIGHT = 480
#: Numbers of colours and of shapes; colour 6 is grey and stands for the remaining groups.
_COLOURS, _SHAPES = 6, 4
MOST_GROUPS = _COLOURS * _SHAPES
_PATHS = (
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0Z",
    "M-3.5,-3.5H3.5V3.5H-3.5Z",
    "M0,-5L4.8,4H-4.8Z",
    "M0,-5L5,0L0,5L-5,0Z",
)


@dataclass(frozen=True)
class Spot:
    """One record on the map.

    Attributes:
        x, y: in 0..1.
        group: index of its group; -1 for none.
        heading: the first line of its card.
        text: the rest of the card.
        image: a ``data:`` URL, or empty.
        wrong: whether its prediction is wrong; such marks are ringed.
    """

    x: float
    y: float
    group: int
    heading: str
    text: str
    image: str = ""
    wrong: bool = False


def scatter(title: str, spots: Sequence[Spot], groups: Sequence[str], *, hint: str) -> Markup:
    """Return a figure with the plot, a key that highlights a group, and the card.

    Args:
        groups: names, at most :data:`MOST_GROUPS`.
        hint: the text of the card before a record is selected.
    """
    shapes = [tag("path", d=drawn, id=f"shape{index}") for index, drawn in enumerate(_PATHS)]
    ordered = sorted(spots, key=lambda spot: spot.group >= 0)
    drawing = tag(
        "svg",
        tag("title", title),
        tag("defs", *shapes),
        *map(_mark, ordered),
        viewBox=f"0 0 {_SIDE} {_HEIGHT}",
        role="img",
        tabindex="0",
        class_="spots",
        aria_label=f"{title}. {hint}",
    )
    card = tag("div", tag("p", hint, class_="small"), class_="card", aria_live="polite")
    keys = [
        tag("button", _swatch(index), name, type="button", class_="key", data_group=str(index))
        for index, name in enumerate(groups)
    ]
    if any(spot.group < 0 for spot in spots) and groups:
        keys.append(
            tag("button", _swatch(-1), "others", type="button", class_="key", data_group="-1")
        )
    body = tag("div", drawing, card, class_="beside")
    key = tag("p", *keys, class_="keys") if keys else Markup("")
    return tag("figure", tag("figcaption", title), key, body, class_="map")


def _mark(spot: Spot) -> Markup:
    colour, shape = _style(spot.group)
    words = tag("title", f"{spot.heading}\n{spot.text}")
    return tag(
        "use",
        words,
        href=f"#shape{shape}",
        x=round(_EDGE + spot.x * (_SIDE - 2 * _EDGE), 1),
        y=round(_EDGE + (1 - spot.y) * (_HEIGHT - 2 * _EDGE), 1),
        class_=f"dot fill{colour}{' wrong' if spot.wrong else ''}",
        data_group=str(spot.group),
        **({"data_image": spot.image} if spot.image else {}),
    )


def _swatch(group: int) -> Markup:
    colour, shape = _style(group)
    drawn = tag("path", d=_PATHS[shape], class_=f"fill{colour}")
    return tag("svg", drawn, viewBox="-6 -6 12 12", class_="swatch", aria_hidden="true")


def _style(group: int) -> tuple[int, int]:
    return (6, 0) if group < 0 else (group % _COLOURS, (group // _COLOURS + group) % _SHAPES)
