"""Folders of boxes with a file for each picture: those of Pascal VOC, and those of YOLO."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any
from xml.etree import ElementTree

import yaml

from headstart.data.audit import Audit
from headstart.errors import HeadstartError, refused
from headstart.modalities.image.annotated import NO_PICTURE, Annotated, Pictures
from headstart.modalities.image.boxes import stated_size
from headstart.modalities.image.content import beside
from headstart.modalities.image.decode import BadImage, about, upright

#: Files that name the classes of YOLO, a class a line.
_CLASSES = ("classes.txt", "obj.names")
#: Most bytes of the annotations of one picture.
_LARGEST = 2**22

NOT_VOC = "it is no XML of Pascal VOC, whose root is `annotation`"
NOT_YOLO = "a line of its labels is not a class and four shares of the picture, or an outline"
NO_NAME = "one of its boxes is of a class that has no name"
SUPPORTED = (
    "a .jsonl with one picture a line, COCO's .json, an export of Label Studio as .json, or a "
    "folder of Pascal VOC (.xml) or of YOLO (data.yaml or classes.txt, labels/ and images/)"
)


def read_folder(folder: Path, audit: Audit) -> Iterator[Annotated]:
    """Yield the pictures of a folder in the format of Pascal VOC or of YOLO.

    Raises:
        HeadstartError: it is neither; the names of the classes are missing.
    """
    voc = sorted(folder.rglob("*.xml"))
    if voc:
        yield from _voc(folder, voc)
        return
    # A part of a data set, such as train/, has its names in the folder above.
    names = _class_names(folder) or _class_names(folder.resolve().parent)
    if not names:
        raise HeadstartError(f"{folder} holds no annotations that can be read; give {SUPPORTED}.")
    yield from _yolo(folder, names, audit)


def _voc(folder: Path, files: list[Path]) -> Iterator[Annotated]:
    """Read Pascal VOC (Everingham et al. 2010): an XML for each picture, with corners in pixels."""
    pictures = Pictures(folder)
    for file in files:
        where = str(file.relative_to(folder))
        root = _root(file)
        if root is None:
            yield Annotated(where, None, fault=NOT_VOC)
            continue
        name = PurePath((root.findtext("filename") or "").replace("\\", "/")).name
        near = os.path.dirname(where)
        image = (pictures.named(name, near) if name else None) or pictures.named(file.stem, near)
        size = root.find("size")
        stated = {} if size is None else {each.tag: _number(each.text) for each in size}
        boxes = [
            {
                "label": each.findtext("name"),
                "xyxy": [
                    _number(each.findtext(f"bndbox/{corner}"))
                    for corner in ("xmin", "ymin", "xmax", "ymax")
                ],
            }
            for each in root.iter("object")
        ]
        fault = None if image else NO_PICTURE
        yield Annotated(where, image, boxes, stated=stated_size(stated), fault=fault)


def _root(file: Path) -> ElementTree.Element | None:
    try:
        data = file.read_bytes() if file.stat().st_size <= _LARGEST else b""
        if b"<!" in data.replace(b"<!--", b""):  # entities could unpack to anything
            return None
        root = ElementTree.fromstring(data)
    except (OSError, ElementTree.ParseError, ValueError, LookupError):
        return None
    return root if root.tag == "annotation" else None


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _class_names(folder: Path) -> dict[int, str] | None:
    """Return the names of the classes of YOLO by their numbers; None without a file of them."""
    for name in _CLASSES:
        if (folder / name).is_file():
            with refused(f"the classes in {folder / name} cannot be read", "save it as UTF-8"):
                lines = (folder / name).read_text(encoding="utf-8-sig").splitlines()
            return dict(enumerate(line.strip() for line in lines if line.strip()))
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
            names: Any = content["names"]
            pairs = names.items() if isinstance(names, dict) else enumerate(names)
            return {int(number): str(name) for number, name in pairs}
        except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError):
            continue
    return None


def _yolo(folder: Path, names: dict[int, str], audit: Audit) -> Iterator[Annotated]:
    """Read YOLO: a ``.txt`` for each picture, beside it or in ``labels/`` for ``images/``.

    A line has the number of a class, and the middle and size of a box as shares of the picture, or
    an outline. A picture without a file has no object, as in its training.
    """
    pictures, without = Pictures(folder), 0
    labeled = {str(path.relative_to(folder)) for path in folder.rglob("*.txt")}
    for path in pictures.paths:
        parts = list(PurePath(path).with_suffix(".txt").parts)
        candidates = [str(PurePath(*parts))]
        for index in reversed([i for i, part in enumerate(parts[:-1]) if part == "images"]):
            candidates.append(str(PurePath(*parts[:index], "labels", *parts[index + 1 :])))
        file = next((each for each in candidates if each in labeled), None)
        if file is None:
            without += 1
            yield Annotated(path, path, boxes=[])
            continue
        boxes, fault = _lines(folder, file, path, names)
        yield Annotated(file, path, boxes, fault=fault)
    if without:
        audit.notes.append(
            f"{folder}: {without} of {len(pictures.paths)} pictures have no file of labels, and "
            "count as pictures without an object"
        )


def _lines(
    folder: Path, file: str, image: str, names: dict[int, str]
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the boxes of a picture in pixels, or what is wrong with one."""
    value, fault = beside(image, folder)
    if fault:
        return [], fault
    try:
        height, width = upright(about(value))
        text = (folder / file).read_text(encoding="utf-8-sig")
    except BadImage as reason:
        return [], str(reason)
    except (OSError, ValueError):
        return [], NOT_YOLO
    boxes = []
    for line in filter(None, map(str.split, text.splitlines())):
        numbers = [number for each in line if (number := _number(each)) is not None]
        outline = len(numbers) >= 7 and len(numbers) % 2 == 1
        if len(numbers) != len(line) or not (len(numbers) == 5 or outline):
            return [], NOT_YOLO
        if numbers[0] not in names:
            return [], NO_NAME
        across, down = numbers[1::2], numbers[2::2]
        if outline:
            corners = [min(across), min(down), max(across), max(down)]
        else:
            (x, wide), (y, tall) = across, down
            corners = [x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2]
        scaled = [share * side for share, side in zip(corners, [width, height] * 2, strict=True)]
        boxes.append({"label": names[int(numbers[0])], "xyxy": scaled})
    return boxes, None
