"""Annotations of images, boxes with labels and masks, read into records.

Boxes come from lines or lists of objects, COCO's JSON, Label Studio, or folders of Pascal VOC and
YOLO; masks come from lines or from two parallel folders. A bad record is quarantined with its
reason. Only the headers of images are read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.columns import label_text
from headstart.data.labels import spelling_notes
from headstart.errors import HeadstartError
from headstart.modalities.image.annotated import Annotated
from headstart.modalities.image.box_folders import SUPPORTED, read_folder, root_of
from headstart.modalities.image.boxes import BoxReader, Picture, parsed, stated_size
from headstart.modalities.image.content import SUFFIXES, beside
from headstart.modalities.image.decode import About, BadImage, about, upright
from headstart.modalities.image.label_studio import is_label_studio, read_tasks
from headstart.modalities.image.masks import LOSSY, grey_levels, level_notes, stored

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.audit import Audit

#: Names of the field that holds an image's path.
IMAGE_KEYS = ("image", "file", "file_name", "path")

NOT_JSON = "it is not valid JSON"
NOT_OBJECT = "it is not a JSON object"
NO_IMAGE = f"it names no picture; give one of the fields {', '.join(IMAGE_KEYS)}"
NO_CATEGORY = "one of its boxes is of a category that is not listed, or listed under two names"
SAME_ID = "another picture of the file has its id"
NO_MASK = "it names no mask; give the field `mask`, or a file of the same name in masks/"
OTHER_SIZE = "its mask is not of the picture's size"


def read_boxes(source: str, audit: Audit) -> Dataset:
    """Read images with boxes into records ``id``, ``image`` and ``boxes``.

    Boxes are checked as :mod:`headstart.modalities.image.boxes` describes. Those of one image in
    several records are joined.

    Args:
        source: ``.jsonl``, or ``.json`` with a list: objects with the path of an image (one of
            :data:`IMAGE_KEYS`, relative to the file and inside its folder) and ``boxes``, a list
            of ``label`` and ``xyxy`` or ``xywh`` in pixels; perhaps ``width`` and ``height`` of
            the image that the boxes were drawn on. Or COCO's ``.json``, an export of Label Studio,
            or a folder of Pascal VOC or YOLO.
        audit: lists quarantined records and, in its notes, how many boxes were repaired.

    Returns:
        ``image`` is a struct of ``bytes`` and ``path``; ``boxes`` a list of structs of ``label``
        and ``xyxy`` (left, top, right, bottom) in pixels of the upright image, inside of it.

    Raises:
        HeadstartError: the source is missing or of another kind, or no record is left.
    """
    path = _existing(source)
    # From the path of an image to its first record.
    found: dict[str, tuple[Annotated, Any, Picture]] = {}
    joined = 0
    folder = root_of(path) if path.is_dir() else path.parent
    for item in _annotated(path, audit):
        value, fault = _image(item, folder)
        header, fault = (None, fault) if fault else _about(value)
        boxes, fault = ([], fault) if fault else parsed(item.boxes)
        if fault or header is None:
            audit.quarantine(item.where, fault or NO_IMAGE)
            continue
        picture = Picture(upright(header), header.turned, item.stated, boxes)
        first = found.setdefault(value["path"], (item, value, picture))[2]
        if first is not picture:
            joined += 1
            first.boxes += boxes
            first.stated = first.stated or picture.stated
    reader, rows = BoxReader([picture for *_, picture in found.values()]), []
    for item, value, picture in found.values():
        read, fault = reader.read(picture)
        if fault:
            audit.quarantine(item.where, fault)
            continue
        rows.append({"id": _name(item), "image": value, "boxes": read})
    if joined:
        audit.notes.append(f"{joined} records are of pictures listed before, and were joined")
    audit.notes += reader.notes()
    audit.notes += spelling_notes((box["label"] for row in rows for box in row["boxes"]), source)
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
        Both are structs of ``bytes`` and ``path``; that of a mask has ``levels``, too, for
        :func:`headstart.modalities.image.masks.mask_ids`. A mask has one label id per pixel, in
        0..254; 255 is an unlabeled pixel, unless the values of all masks are levels of grey.

    Raises:
        HeadstartError: the source is missing or of another kind, or no record is left.
    """
    path = _existing(source)
    folder = root_of(path) if path.is_dir() else path.parent
    items = _parallel(path, folder) if path.is_dir() else _annotated(path, audit)
    found: list[tuple[Annotated, Any, Any, bool]] = []
    counts = np.zeros(256, dtype=np.int64)
    for item in items:
        value, fault = _image(item, folder)
        header, fault = (None, fault) if fault else _about(value)
        mask, fault = (None, fault) if fault else _named(item.mask, folder, NO_MASK)
        pixels, exact, fault = (None, True, fault) if fault else _pixels(mask)
        if header is not None and pixels is not None and pixels.shape != upright(header):
            fault = OTHER_SIZE
        if fault or pixels is None:
            audit.quarantine(item.where, fault or NO_MASK)
            continue
        counts += np.bincount(pixels.ravel(), minlength=256)
        found.append((item, value, mask, exact))
    levels = grey_levels(counts)
    rows = []
    for item, value, mask, exact in found:
        if exact or levels:
            mask = {**mask, "levels": levels}
            rows.append({"id": _name(item), "image": value, "mask": mask})
        else:
            audit.quarantine(item.where, LOSSY)
    audit.notes += level_notes(levels)
    from datasets import Features, List, Value

    common = _common()
    struct = {**common["image"], "levels": List(Value("uint8"))}
    return _dataset(rows, source, audit, Features({**common, "mask": struct}))


def _existing(source: str) -> Path:
    path = Path(source)
    if not path.exists():
        raise HeadstartError(f"there is nothing at {source}; check the path.")
    if path.is_file() and path.suffix not in (".jsonl", ".json"):
        raise HeadstartError(f"{source} is no file of annotations; give {SUPPORTED}.")
    return path


def _annotated(path: Path, audit: Audit) -> Iterator[Annotated]:
    if path.is_dir():
        yield from read_folder(path, audit)
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text) if path.suffix == ".json" else text.split("\n")
    except OSError as error:
        raise HeadstartError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise HeadstartError(f"{path} is not valid JSON in UTF-8; write it again.") from None
    if isinstance(content, dict):
        yield from _coco(content, path, audit)
        return
    if not isinstance(content, list):
        raise HeadstartError(f"{path} holds no list of pictures; give {SUPPORTED}.")
    if is_label_studio(content):
        yield from read_tasks(content, path, audit)
        return
    for number, line in enumerate(content, 1):
        where = f"{path.name}:{number}"
        if path.suffix == ".jsonl":
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
        yield Annotated(
            where, image, boxes=line.get("boxes"), mask=line.get("mask"), stated=stated_size(line)
        )


def _coco(content: dict[str, Any], path: Path, audit: Audit) -> Iterator[Annotated]:
    """Read COCO's layout (Lin et al. 2014): images, boxes and categories, linked by ids."""
    parts: list[Any] = [content.get(name) for name in ("images", "annotations", "categories")]
    if not all(isinstance(part, list) and all(isinstance(o, dict) for o in part) for part in parts):
        raise HeadstartError(
            f"{path} is neither a list of pictures nor COCO's JSON, which has lists of objects "
            "`images`, `annotations` and `categories`."
        )
    images, annotations, categories = parts
    names: dict[str | None, set[str | None]] = {}
    for category in categories:
        names.setdefault(_id(category, "id"), set()).add(label_text(category.get("name")))
    ids = Counter(_id(image, "id") for image in images)
    crowds = orphans = 0
    boxes: dict[str | None, list[dict[str, Any]]] = {}
    for annotation in annotations:
        owner = _id(annotation, "image_id")
        if annotation.get("iscrowd"):
            crowds += 1
        elif owner not in ids:
            orphans += 1
        else:
            boxes.setdefault(owner, []).append(annotation)
    if crowds:
        audit.notes.append(f"{crowds} boxes were left out, because they hold a crowd")
    if orphans:
        audit.notes.append(f"{orphans} boxes were left out, because their picture is not listed")
    for number, image in enumerate(images, 1):
        own = boxes.get(_id(image, "id"), [])
        labels = [names.get(_id(one, "category_id"), set()) for one in own]
        fault = NO_CATEGORY if any(len(label) != 1 for label in labels) else None
        yield Annotated(
            f"{path.name}, picture {number}",
            image.get("file_name"),
            boxes=[
                {"label": next(iter(label), None), "xywh": bbox, "outline": outline}
                for label, one in zip(labels, own, strict=True)
                for bbox, outline in [(one.get("bbox"), one.get("segmentation"))]
            ],
            stated=stated_size(image),
            fault=SAME_ID if ids[_id(image, "id")] > 1 else fault,
        )


def _id(part: dict[str, Any], name: str) -> str | None:
    """Return an id as text, for tools write 7 and "7"."""
    return label_text(part.get(name))


def _parallel(part: Path, folder: Path) -> Iterator[Annotated]:
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
    for path in sorted((images if part == folder else part).rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            mask = known.get(path.relative_to(images).with_suffix(""))
            name = str(path.relative_to(folder))
            yield Annotated(name, name, mask=mask and str(mask.relative_to(folder)))


def _image(item: Annotated, folder: Path) -> tuple[Any, str | None]:
    return (None, item.fault) if item.fault else _named(item.image, folder, NO_IMAGE)


def _named(name: Any, folder: Path, missing: str) -> tuple[Any, str | None]:
    """Return the image that a field names, or what is wrong; ``missing`` if it names none."""
    if not isinstance(name, str) or not name.strip():
        return None, missing
    return beside(name, folder)


def _about(value: dict[str, Any]) -> tuple[About | None, str | None]:
    """Return what the header of an image says, or why it cannot be read."""
    try:
        return about(value), None
    except BadImage as reason:
        return None, str(reason)


def _pixels(mask: Any) -> tuple[np.ndarray | None, bool, str | None]:
    """Return a mask as it is saved and whether its format is exact, or what is wrong."""
    try:
        return *stored(mask), None
    except BadImage as reason:
        return None, True, str(reason)


def _name(item: Annotated) -> str:
    return str(item.image).strip()


def _common() -> dict[str, Any]:
    from datasets import Value

    return {"id": Value("string"), "image": {"bytes": Value("binary"), "path": Value("string")}}


def _dataset(rows: list[dict[str, Any]], source: str, audit: Audit, features: Any) -> Dataset:
    from datasets import Dataset

    if not rows:
        (reason, count), *_ = audit.reasons.most_common(1) or [("it names none", 0)]
        others = f" ({count} records)" if count > 1 else ""
        raise HeadstartError(
            f"no picture could be read from {source}: {reason}{others}; mend it, or name another."
        )
    audit.keep(source, len(rows))
    return Dataset.from_list(rows, features=features)
