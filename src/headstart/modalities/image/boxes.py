"""Boxes checked against what their file and their picture say of them.

Sizes of pictures, outlines, and how all boxes of a file fit their pictures are evidence: what it
makes certain is mended and counted, and a record that contradicts it is set aside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from headstart.data.columns import label_text
from headstart.data.pairs import number

#: Names of a box's four numbers: two corners, or a corner and the size.
CORNERS = ("xyxy", "xywh")

NO_BOXES = "it has no list `boxes`; write an empty one where there is nothing in the picture"
NO_LABEL = "one of its boxes has no label"
NO_CORNERS = "one of its boxes has no four numbers `xyxy` (corners) or `xywh` (corner and size)"
BEYOND = "one of its boxes lies outside of its picture"
OTHER_OUTLINE = "one of its boxes is not where its outline (`segmentation`) is"
OTHER_SIZE = "its width and height are not those that the annotations say"
TURNED = (
    "its boxes are of the picture before it was turned; save it upright, or leave out its "
    "EXIF orientation"
)

#: A box may be this far outside: pixels, and share of the picture's side.
_SLACK = (2.0, 0.02)
#: Fewest boxes from which their form is told, and most of them that may fit the given one.
_LEAST, _FITTING = 5, 0.8
#: Least overlap (intersection over union) of a box and the rectangle around its outline.
_OVERLAP = 0.5

Rectangle = tuple[float, float, float, float]


class Box(NamedTuple):
    """A box as a file gives it.

    Attributes:
        label: its class.
        form: one of :data:`CORNERS`.
        numbers: four numbers of that form.
        outline: the corners of the rectangle around its outline, None where it has none.
    """

    label: str
    form: str
    numbers: Rectangle
    outline: Rectangle | None


@dataclass
class Picture:
    """A picture with its boxes.

    Attributes:
        size: (height, width), upright.
        turned: whether height and width are exchanged in its file (EXIF orientation).
        stated: (height, width) by the annotations, None where they do not say.
        boxes: as the file gives them.
    """

    size: tuple[int, int]
    turned: bool
    stated: tuple[float, float] | None
    boxes: list[Box]

    @property
    def frame(self) -> tuple[float, float]:
        """(height, width) in which boxes count."""
        return self.stated or self.size


def parsed(boxes: Any) -> tuple[list[Box], str | None]:
    """Return the boxes of a record, or what is wrong with one."""
    if not isinstance(boxes, list):
        return [], NO_BOXES
    found = []
    for box in boxes:
        given = [key for key in CORNERS if isinstance(box, dict) and box.get(key) is not None]
        numbers = box[given[0]] if len(given) == 1 else None
        if not isinstance(numbers, list) or len(numbers) != 4 or not _finite(numbers):
            return [], NO_CORNERS
        label = label_text(box.get("label"))
        if label is None:
            return [], NO_LABEL
        left, top, third, fourth = map(float, numbers)
        outline = around(box.get("outline"))
        found.append(Box(label, given[0], (left, top, third, fourth), outline))
    return found, None


def stated_size(row: dict[str, Any]) -> tuple[float, float] | None:
    """Return the (height, width) that annotations state, None without two positive numbers."""
    height, width = number(row.get("height")), number(row.get("width"))
    return (height, width) if height and width and min(height, width) > 0 else None


def around(polygons: Any) -> Rectangle | None:
    """Return the corners of the rectangle around polygons ``[x, y, x, y, ...]``, as of COCO."""
    if not isinstance(polygons, list) or not polygons:
        return None
    flat = [x for polygon in polygons if isinstance(polygon, list) for x in polygon]
    if len(flat) < 6 or len(flat) % 2 or not _finite(flat):
        return None
    return min(flat[::2]), min(flat[1::2]), max(flat[::2]), max(flat[1::2])


def _finite(values: Iterable[Any]) -> bool:
    return all(type(x) in (int, float) and number(x) is not None for x in values)


class BoxReader:
    """Reads the boxes of a file; what holds for all of them is decided once, from all.

    Args:
        pictures: all that have boxes.

    Attributes:
        repaired: numbers of repaired boxes, by what was done.
    """

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self.repaired: Counter[str] = Counter()
        every = [(picture, box) for picture in pictures for box in picture.boxes]
        self._fractions = any(x for _, box in every for x in box.numbers) and all(
            0 <= x <= 1 for _, box in every for x in box.numbers
        )
        self._forms = {
            form: self._form(form, [pair for pair in every if pair[1].form == form])
            for form in CORNERS
        }

    def read(self, picture: Picture) -> tuple[list[dict[str, Any]], str | None]:
        """Return boxes of ``label`` and ``xyxy`` in pixels of a picture, or what is wrong."""
        fault = self._size_fault(picture)
        if fault:
            return [], fault
        height, width = picture.size
        down, across = (own / said for own, said in zip(picture.size, picture.frame, strict=True))
        found: list[dict[str, Any]] = []
        for box in picture.boxes:
            corners = self._corners(picture, box, self._forms[box.form])
            if box.outline and _overlap(corners, box.outline) < _OVERLAP:
                return [], OTHER_OUTLINE
            left, top, right, bottom = corners
            if self._forms[box.form] == "xyxy" and (left > right or top > bottom):
                self.repaired["given by other corners, which were exchanged"] += 1
                left, right, top, bottom = *sorted((left, right)), *sorted((top, bottom))
            if left >= right or top >= bottom:
                self.repaired["left out, because they have no area"] += 1
                continue
            scaled = [left * across, top * down, right * across, bottom * down]
            limits = (width, height, width, height)
            clipped = [min(max(x, 0.0), float(m)) for x, m in zip(scaled, limits, strict=True)]
            if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
                return [], BEYOND
            one = {"label": box.label, "xyxy": clipped}
            if one in found:
                self.repaired["left out, because they are listed twice"] += 1
                continue
            self.repaired["clipped to their picture"] += clipped != scaled
            resized = not self._fractions and (down, across) != (1, 1)
            self.repaired["scaled to the size of their picture"] += resized
            found.append(one)
        return found, None

    def notes(self) -> list[str]:
        """Return how many boxes were repaired, and how, and in which form they were read."""
        notes = [f"{count} boxes were {what}" for what, count in self.repaired.items() if count]
        if self._fractions:
            notes.append("all boxes are within 0..1, and were read as shares of their picture")
        return notes + [
            f"boxes named {given} fit their pictures as {form} only, and were read so"
            for given, form in self._forms.items()
            if given != form
        ]

    def _form(self, given: str, pairs: Sequence[tuple[Picture, Box]]) -> str:
        """Return the form in which all boxes of a given one fit, if many do not in that."""
        other = CORNERS[1 - CORNERS.index(given)]
        if len(pairs) < _LEAST or self._fits(pairs, given) > _FITTING * len(pairs):
            return given
        return other if self._fits(pairs, other) == len(pairs) else given

    def _fits(self, pairs: Iterable[tuple[Picture, Box]], form: str) -> int:
        """Return how many boxes have an area, and lie in their pictures, in a form."""
        count = 0
        for picture, box in pairs:
            left, top, right, bottom = corners = self._corners(picture, box, form)
            count += left < right and top < bottom and _within(corners, picture.frame)
        return count

    def _corners(self, picture: Picture, box: Box, form: str) -> Rectangle:
        """Return left, top, right and bottom in the frame in which a picture's boxes count."""
        left, top, third, fourth = box.numbers
        if form == "xywh":
            third, fourth = left + third, top + fourth
        height, width = picture.frame if self._fractions else (1.0, 1.0)
        return left * width, top * height, third * width, fourth * height

    def _size_fault(self, picture: Picture) -> str | None:
        """Return why boxes cannot be placed in a picture of another size than stated."""
        height, width = picture.size
        if self._fractions or picture.stated is None or picture.stated == picture.size:
            return None
        if picture.turned and picture.stated == (width, height):
            return TURNED
        tall, wide = picture.stated
        # Rounding to whole pixels changes a proportional side by up to one.
        proportional = abs(tall * width - wide * height) <= max(tall, wide, height, width)
        inside = all(
            _within(self._corners(picture, box, self._forms[box.form]), picture.stated)
            for box in picture.boxes
        )
        return None if proportional and inside else OTHER_SIZE


def _within(corners: Rectangle, frame: tuple[float, float]) -> bool:
    """Return whether a rectangle lies in a picture of (height, width), but for some slack."""
    down, across = (max(_SLACK[0], _SLACK[1] * side) for side in frame)
    left, top, right, bottom = corners
    return (
        min(left, right) >= -across
        and min(top, bottom) >= -down
        and max(left, right) <= frame[1] + across
        and max(top, bottom) <= frame[0] + down
    )


def _overlap(one: Rectangle, other: Rectangle) -> float:
    """Return the intersection over union of two rectangles; 1 where one has no area."""
    left, top, right, bottom = (
        *map(max, one[:2], other[:2]),
        *map(min, one[2:], other[2:]),
    )
    areas = [(r - x) * (b - y) for x, y, r, b in (one, other)]
    if min(areas) <= 0:
        return 1.0
    both = max(0.0, right - left) * max(0.0, bottom - top)
    return both / (sum(areas) - both)
