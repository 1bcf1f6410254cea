"""Annotations of images, boxes with labels and masks, read into records.

Boxes come from lines or lists of objects or from COCO's JSON, masks from lines or from two parallel
folders. A bad record is quarantined with its reason. Only the headers of images are read.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import HeadstartError
from headstart.modalities.image.content import MISSING, OUTSIDE, SUFFIXES
from headstart.modalities.image.decode import BadImage, upright_size

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.audit import Audit

#: Names of the field that holds an image's path, and of a box's corners.
IMAGE_KEYS = ("image", "file", "file_name", "path")
CORNERS = ("xyxy", "xywh")
#: Id of unlabeled pixels in a mask.
IGNORED = 255

NOT_JSON = "it is not valid JSON"
NOT_OBJECT = "it is not a JSON object"
NO_IMAGE = f"it names no picture; give one of the fields {', '.join(IMAGE_KEYS)}"
NO_BOXES = "it has no list `boxes`; write an empty one where there is nothing in the picture"
NO_LABEL = "one of its boxes has no label"
NO_CORNERS = "one of its boxes has no four numbers `xyxy` (corners) or `xywh` (corner and size)"
NO_CATEGORY = "one of its boxes is of a category that is not listed"
NO_MASK = "it names no mask; give the field `mask`, or a file of the same name in masks/"
NOT_MASK = "its mask is no picture of one label id a pixel (grey or palette, 8 bits)"
OTHER_SIZE = "its mask is not of the picture's size"


@dataclass
class _Annotated:
    """An image of the annotations; its ``boxes`` are not validated yet."""

    where: str
    image: Any
    boxes: Any = None
    mask: Any = None
    fault: str | None = None


@dataclass
class _Boxes:
    """Numbers of repaired boxes, by what was wrong with them."""

    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


def read_boxes(source: str, audit: Audit) -> Dataset:
    """Read images with boxes into records ``id``, ``image`` and ``boxes``.

    Args:
        source: ``.jsonl``, or ``.json`` with a list: objects with the path of an image (one of
            :data:`IMAGE_KEYS`, relative to the file and inside its folder) and ``boxes``, a list
            of ``label`` and ``xyxy`` or ``xywh`` in pixels. Or COCO's ``.json``.
        audit: lists quarantined records and, in its notes, how many boxes were clipped or dropped.

    Returns:
        ``image`` is a struct of ``bytes`` and ``path``; ``boxes`` a list of structs of ``label``
        and ``xyxy`` (left, top, right, bottom) in pixels of the upright image, inside of it.

    Raises:
        HeadstartError: the source is missing or of another kind, or no record is left.
    """
    path = _existing(source)
    repaired, rows = _Boxes(), []
    for item in _annotated(path, audit, repaired):
        value, fault = _image(item, path.parent)
        size, fault = (None, fault) if fault else _size(value)
        boxes, fault = (None, fault) if fault else _valid_boxes(item.boxes, size, repaired)
        if fault:
            audit.quarantine(item.where, fault)
            continue
        rows.append({"id": _name(item), "image": value, "boxes": boxes})
    audit.notes += [f"{count} boxes were {what}" for what, count in repaired.counts.items()]
    from datasets import Features, List, Value

    box = {"label": Value("string"), "xyxy": List(Value("float64"))}
    return _dataset(rows, source, audit, Features({**_common(), "boxes": List(box)}))


def read_masks(source: str, audit: Audit) -> Dataset:
    """Read images with masks into records ``id``, ``image`` and ``mask``.

    Args:
        source: ``.jsonl`` or ``.json`` of objects with the paths ``image`` and ``mask``, relative
            to the file and inside its folder; or a folder with ``images/`` and ``masks/``, whose
            files have the same names without the ending.
        audit: lists quarantined records.

    Returns:
        Both are structs of ``bytes`` and ``path``. A mask has one label id per pixel, in 0..254;
        255 is an unlabeled pixel.

    Raises:
        HeadstartError: the source is missing or of another kind, or no record is left.
    """
    path = _existing(source)
    folder = path if path.is_dir() else path.parent
    found = _parallel(path, audit) if path.is_dir() else _annotated(path, audit, _Boxes())
    rows = []
    for item in found:
        value, fault = _image(item, folder)
        size, fault = (None, fault) if fault else _size(value)
        mask, fault = (None, fault) if fault else _inside(item.mask, folder, NO_MASK)
        fault = fault or _mask_fault(mask, size)
        if fault:
            audit.quarantine(item.where, fault)
            continue
        rows.append({"id": _name(item), "image": value, "mask": mask})
    from datasets import Features

    common = _common()
    return _dataset(rows, source, audit, Features({**common, "mask": common["image"]}))


def mask_ids(value: dict[str, Any]) -> np.ndarray:
    """Return a mask as label ids (H,W) uint8; of a palette the indices, not the colours.

    Raises:
        BadImage: it is damaged, or does not have one id per pixel.
    """
    from PIL import Image

    try:
        with Image.open(value["path"]) as image:
            if image.mode not in ("L", "P", "1"):
                raise BadImage(NOT_MASK)
            return np.asarray(image, dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise BadImage(NOT_MASK) from None


def _existing(source: str) -> Path:
    path = Path(source)
    if not path.exists():
        raise HeadstartError(f"there is nothing at {source}; check the path.")
    if path.is_file() and path.suffix not in (".jsonl", ".json"):
        raise HeadstartError(
            f"{source} is no file of annotations; give a .jsonl with one picture a line, or "
            "COCO's .json."
        )
    return path


def _annotated(path: Path, audit: Audit, repaired: _Boxes) -> Iterator[_Annotated]:
    if path.is_dir():
        raise HeadstartError(
            f"{path} is a folder; name the file of annotations in it, a .jsonl or COCO's .json."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text) if path.suffix == ".json" else None
    except OSError as error:
        raise HeadstartError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise HeadstartError(f"{path} is not valid JSON in UTF-8; write it again.") from None
    if isinstance(content, dict):
        yield from _coco(content, path, repaired)
        return
    lines = text.split("\n") if content is None else content
    for number, line in enumerate(lines, 1):
        where = f"{path.name}:{number}"
        if content is None:
            if not line.strip():
                continue
            try:
                line = json.loads(line)
            except (ValueError, RecursionError):
                audit.quarantine(where, NOT_JSON)
                continue
        if not isinstance(line, dict):
            audit.quarantine(where, NOT_OBJECT)
            continue
        image = next((line[key] for key in IMAGE_KEYS if key in line), None)
        yield _Annotated(where, image, boxes=line.get("boxes"), mask=line.get("mask"))


def _coco(content: dict[str, Any], path: Path, repaired: _Boxes) -> Iterator[_Annotated]:
    """Read COCO's layout (Lin et al. 2014): images, boxes and categories, linked by ids."""
    parts: list[Any] = [content.get(name) for name in ("images", "annotations", "categories")]
    if not all(isinstance(part, list) and all(isinstance(o, dict) for o in part) for part in parts):
        raise HeadstartError(
            f"{path} is neither a list of pictures nor COCO's JSON, which has lists of objects "
            "`images`, `annotations` and `categories`."
        )
    images, annotations, categories = parts
    names = {category.get("id"): category.get("name") for category in categories}
    boxes: dict[Any, list[dict[str, Any]]] = {}
    for annotation in annotations:
        if annotation.get("iscrowd"):
            repaired.count("left out, because they hold a crowd")
            continue
        boxes.setdefault(annotation.get("image_id"), []).append(annotation)
    for number, image in enumerate(images, 1):
        own = boxes.get(image.get("id"), [])
        unknown = any(one.get("category_id") not in names for one in own)
        yield _Annotated(
            f"{path.name}, picture {number}",
            image.get("file_name"),
            boxes=[
                {"label": names.get(one.get("category_id")), "xywh": one.get("bbox")} for one in own
            ],
            fault=NO_CATEGORY if unknown else None,
        )


def _parallel(folder: Path, audit: Audit) -> Iterator[_Annotated]:
    """Pair the files of ``images/`` and ``masks/`` by their names without the ending."""
    images, masks = folder / "images", folder / "masks"
    if not images.is_dir() or not masks.is_dir():
        raise HeadstartError(
            f"{folder} has no folders images/ and masks/; make them, or name a .jsonl with `image` "
            "and `mask`."
        )
    known: dict[Path, Path] = {}
    for path in sorted(masks.rglob("*")):
        known.setdefault(path.relative_to(masks).with_suffix(""), path)
    for path in sorted(images.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            mask = known.get(path.relative_to(images).with_suffix(""))
            name = str(path.relative_to(folder))
            yield _Annotated(name, name, mask=mask and str(mask.relative_to(folder)))


def _image(item: _Annotated, folder: Path) -> tuple[Any, str | None]:
    return (None, item.fault) if item.fault else _inside(item.image, folder, NO_IMAGE)


def _inside(name: Any, folder: Path, missing: str) -> tuple[Any, str | None]:
    """Return the image of a path inside ``folder``, or what is wrong."""
    if not isinstance(name, str) or not name.strip():
        return None, missing
    root = os.path.abspath(folder)
    path = os.path.normpath(os.path.join(root, name.strip()))
    if "\0" in name or not path.startswith(root.rstrip(os.sep) + os.sep):
        return None, OUTSIDE
    return ({"bytes": None, "path": path}, None) if os.path.isfile(path) else (None, MISSING)


def _size(value: dict[str, Any]) -> tuple[tuple[int, int] | None, str | None]:
    """Return (height, width) of the upright image, or why it cannot be read."""
    try:
        return upright_size(value), None
    except BadImage as reason:
        return None, str(reason)


def _valid_boxes(
    boxes: Any, size: tuple[int, int] | None, repaired: _Boxes
) -> tuple[list[dict[str, Any]] | None, str | None]:
    """Return the boxes clipped to the image, without those that have no area in it."""
    assert size is not None
    if not isinstance(boxes, list):
        return None, NO_BOXES
    valid = []
    for box in boxes:
        corners = _corners(box)
        if corners is None:
            return None, NO_CORNERS
        label = box.get("label")
        if label is None or isinstance(label, list | dict) or not str(label).strip():
            return None, NO_LABEL
        limits = (size[1], size[0], size[1], size[0])
        clipped = [min(max(x, 0.0), float(most)) for x, most in zip(corners, limits, strict=True)]
        if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
            repaired.count("left out, because they have no area inside their picture")
            continue
        if clipped != corners:
            repaired.count("clipped to their picture")
        valid.append({"label": str(label), "xyxy": clipped})
    return valid, None


def _corners(box: Any) -> list[float] | None:
    """Return left, top, right and bottom of a box as it is written, or None."""
    if not isinstance(box, dict):
        return None
    given = [key for key in CORNERS if box.get(key) is not None]
    numbers = box[given[0]] if len(given) == 1 else None
    if not isinstance(numbers, list) or len(numbers) != 4:
        return None
    if not all(type(x) in (int, float) and math.isfinite(x) for x in numbers):
        return None
    left, top, third, fourth = map(float, numbers)
    return (
        [left, top, third, fourth] if given == ["xyxy"] else [left, top, left + third, top + fourth]
    )


def _mask_fault(mask: Any, size: tuple[int, int] | None) -> str | None:
    try:
        return None if mask_ids(mask).shape == size else OTHER_SIZE
    except BadImage as reason:
        return str(reason)


def _name(item: _Annotated) -> str:
    return str(item.image).strip()


def _common() -> dict[str, Any]:
    from datasets import Value

    return {"id": Value("string"), "image": {"bytes": Value("binary"), "path": Value("string")}}


def _dataset(rows: list[dict[str, Any]], source: str, audit: Audit, features: Any) -> Dataset:
    from datasets import Dataset

    if not rows:
        (reason, count), *_ = audit.reasons.most_common(1) or [("it names none", 0)]
        others = f" ({count} records)" if count > 1 else ""
        raise HeadstartError(f"no picture could be read from {source}: {reason}{others}.")
    audit.keep(source, len(rows))
    return Dataset.from_list(rows, features=features)
