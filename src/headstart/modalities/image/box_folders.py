"""Folders of boxes with a file for each picture: those of Pascal VOC, and those of YOLO."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import yaml

from headstart.data.audit import Audit
from headstart.data.columns import label_text
from headstart.errors import HeadstartError, first_line, refused
from headstart.modalities.image.annotated import NO_PICTURE, Annotated, Pictures
from headstart.modalities.image.boxes import stated_size
from headstart.modalities.image.content import beside
from headstart.modalities.image.decode import BadImage, about, upright

#: Files that name the classes of YOLO, a class a line.
_CLASSES = ("classes.txt", "obj.names")
#: Most bytes of the annotations of one picture.
_LARGEST = 2**22
_NO_TEXT = b"\xff"
#: Numbers of a box with its class, and least of an outline; of a triangle, and of what has more.
_BOX, _TRIANGLE, _OUTLINE = 5, 7, 9
#: A corner of an outline lies this far outside of its picture at most, as a share of its side.
_BEYOND = 0.1

NOT_VOC = "it is no XML of Pascal VOC, whose root is `annotation`"
NOT_YOLO = "a line of its labels is not a class and four shares of the picture, or an outline"
OF_SEVEN = (
    "a line of its labels has seven numbers, which are a box and two more, or an outline of three "
    "corners; leave out what is not of the box"
)
TWO_PICTURES = "its own name and its `filename` are of two pictures; give it the name of its own"
TWO_FILES = "it has two files of labels, which differ; leave one of them"
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
    root = root_of(folder)
    voc = sorted(folder.rglob("*.xml"))
    if voc:
        yield from _voc(folder, root, voc)
        return
    # A part of a data set, such as train/, has its names in the folder above.
    names = _class_names(root) or _class_names(root.resolve().parent)
    if names:
        yield from _yolo(folder, root, names, audit)
        return
    files = sorted([*folder.glob("*.json"), *folder.glob("*.jsonl")])
    if files:
        raise HeadstartError(
            f"{folder} is no folder of Pascal VOC or YOLO; name its file of annotations, such as "
            f"{files[0]}."
        )
    raise HeadstartError(f"{folder} holds no annotations that can be read; give {SUPPORTED}.")


def root_of(folder: Path) -> Path:
    """Return the folder that ``images/`` is in where a part of that was named, or it itself.

    So ``images/train`` has its labels, in ``labels/train``, and the names of its classes.
    """
    parts = folder.resolve().parts
    for index in range(len(parts) - 1, max(len(parts) - 3, 0), -1):
        root = Path(*parts[:index])
        if parts[index] == "images" and any((root / name).is_dir() for name in ("labels", "masks")):
            return root
    return folder


def _voc(folder: Path, root: Path, files: list[Path]) -> Iterator[Annotated]:
    """Read Pascal VOC (Everingham et al. 2010): an XML for each picture, with corners in pixels.

    Args:
        folder: whose pictures are read.
        root: the folder that their paths are relative to; it or above it.
        files: all XML in ``folder``.
    """
    pictures = Pictures(folder)
    for file in files:
        where = str(file.relative_to(folder))
        content = _content(file)
        if content is None:
            yield Annotated(where, None, fault=NOT_VOC)
            continue
        name = PurePath((content.findtext("filename") or "").replace("\\", "/")).name
        near = os.path.dirname(where)
        own, image = pictures.named(file.stem, near), pictures.named(name, near) if name else None
        fault = TWO_PICTURES if own and image and own != image else None
        image = image or own
        size = content.find("size")
        stated = {} if size is None else {each.tag: _number(each.text) for each in size}
        boxes = [
            {
                "label": each.findtext("name"),
                "xyxy": [
                    _number(each.findtext(f"bndbox/{corner}"))
                    for corner in ("xmin", "ymin", "xmax", "ymax")
                ],
            }
            for each in content.iter("object")
        ]
        fault = fault if image else NO_PICTURE
        path = image and _below(root, folder) + image
        yield Annotated(where, path, boxes, stated=stated_size(stated), fault=fault)


def _below(root: Path, folder: Path) -> str:
    """Return how the paths in a folder begin, relative to ``root``, which is it or above it."""
    return "" if folder == root else f"{folder.resolve().relative_to(root)}{os.sep}"


def _content(file: Path) -> ElementTree.Element | None:
    try:
        data = file.read_bytes() if file.stat().st_size <= _LARGEST else b""
        _refuse_entities(data)
        root = ElementTree.fromstring(data)
    except (OSError, expat.ExpatError, ElementTree.ParseError, ValueError, LookupError):
        return None
    return root if root.tag == "annotation" else None


def _refuse_entities(data: bytes) -> None:
    """Raise a ValueError at an entity's declaration, in any encoding: it unpacks to anything."""

    def refuse(*_: object) -> None:
        raise ValueError("an entity is declared")

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = refuse
    parser.Parse(data, True)


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
            # The number of a class is that of its line, blank ones included.
            return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    for file, content in _descriptions(folder):
        if "names" in content:
            return _names_in(content["names"], file)
    return None


def _key_points(folder: Path) -> int:
    """Return how many numbers of key points follow each box, by ``kpt_shape``; 0 without it."""
    for _, content in _descriptions(folder):
        shape = content.get("kpt_shape")
        if isinstance(shape, list) and shape and all(type(x) is int and x > 0 for x in shape):
            return math.prod(shape)
    return 0


def _descriptions(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the YAML files of a folder and what they hold."""
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            if file.stem != "data":
                continue  # it may be of something else
            raise HeadstartError(
                f"the classes in {file} cannot be read: {first_line(error)}; mend it, or give "
                "classes.txt."
            ) from None
        if isinstance(content, dict):
            yield file, content


def _names_in(names: Any, file: Path) -> dict[int, str]:
    """Return the names of classes in a YAML: a list, or a name for each number."""
    given = dict(enumerate(names)) if isinstance(names, list) else names
    try:
        found = {int(str(number)): label_text(name) for number, name in given.items()}
    except (ValueError, AttributeError):
        found = {}
    if not any(found.values()):
        raise HeadstartError(
            f"`names` in {file} is no list of names, and no name for each number; write for "
            "example `names: [cat, dog]`."
        )
    return {number: name for number, name in found.items() if name is not None}


def _yolo(folder: Path, root: Path, names: dict[int, str], audit: Audit) -> Iterator[Annotated]:
    """Read YOLO: a ``.txt`` for each picture, beside it or in ``labels/`` for ``images/``.

    A line has the number of a class, and the middle and size of a box as shares of the picture, or
    an outline. Key points behind a box, as many as ``kpt_shape`` says, are passed over. A picture
    without a file has no object, as in its training.

    Args:
        folder: whose pictures are read.
        root: the folder of its labels; of it or above it.

    Raises:
        HeadstartError: no picture has a file of labels.
    """
    below = _below(root, folder)
    pictures = [path for path in Pictures(root).paths if path.startswith(below)]
    labeled = {str(path.relative_to(root)) for path in root.rglob("*.txt") if path.is_file()}
    files = {path: [each for each in _places(path) if each in labeled] for path in pictures}
    if pictures and not any(files.values()):
        raise HeadstartError(
            f"no picture of {folder} has a file of labels: a .txt of its name beside it, or in "
            f"labels/ for images/, such as {root / _places(pictures[0])[-1]}."
        )
    lengths = {
        len(line.split())
        for found in files.values()
        for line in (_written(root / found[0]).splitlines() if found else [])
    }
    key_points = _key_points(root) or _key_points(root.resolve().parent)
    known = {_BOX, _BOX + key_points} | {n for n in lengths if n >= _OUTLINE and n % 2}
    if any(length >= _OUTLINE for length in known - {_BOX + key_points}):
        known.add(_TRIANGLE)  # the others are outlines, so that this is one as well
    for path, found in files.items():
        if not found:
            yield Annotated(path, path, boxes=[])
            continue
        if len({_written(root / each) for each in found}) > 1:
            yield Annotated(found[0], path, [], fault=TWO_FILES)
            continue
        where, boxes, fault = _lines(root, found[0], path, names, known, _BOX + key_points)
        yield Annotated(where, path, boxes, fault=fault)
    if without := list(files.values()).count([]):
        audit.notes.append(
            f"{folder}: {without} of {len(pictures)} pictures have no file of labels, and "
            "count as pictures without an object"
        )
    taken = {each for found in files.values() for each in found}
    beside = {os.path.dirname(each) for each in taken}
    for each in sorted(labeled - taken):
        if os.path.dirname(each) in beside and _is_boxes(_written(root / each)):
            audit.quarantine(each, NO_PICTURE)


def _places(picture: str) -> list[str]:
    """Return where the labels of a picture may be: beside it, or in ``labels/`` for ``images/``."""
    parts = PurePath(picture).with_suffix(".txt").parts
    found = [str(PurePath(*parts))]
    for index in reversed([i for i, part in enumerate(parts[:-1]) if part == "images"]):
        found.append(str(PurePath(*parts[:index], "labels", *parts[index + 1 :])))
    return found


def _written(file: Path) -> bytes:
    """Return what a file of labels holds; what is no text where it cannot be read."""
    try:
        return file.read_bytes() if file.stat().st_size <= _LARGEST else _NO_TEXT
    except OSError:
        return _NO_TEXT


def _is_boxes(data: bytes) -> bool:
    """Return whether a text is of boxes: its first line has five numbers or more."""
    words = data.split(b"\n", 1)[0].split()
    return len(words) >= 5 and all(
        _number(word.decode("ascii", "replace")) is not None for word in words
    )


def _lines(
    folder: Path, file: str, image: str, names: dict[int, str], known: Collection[int], box: int
) -> tuple[str, list[dict[str, Any]], str | None]:
    """Return the place, and the boxes of a picture in pixels or what is wrong with a line.

    Args:
        known: how many numbers a line may have.
        box: how many those of a box with its key points are.
    """
    value, fault = beside(image, folder)
    if fault:
        return file, [], fault
    try:
        height, width = upright(about(value))
        text = _written(folder / file).decode("utf-8-sig")
    except BadImage as reason:
        return file, [], str(reason)
    except ValueError:
        return file, [], NOT_YOLO
    boxes = []
    for at, line in enumerate(map(str.split, text.splitlines()), start=1):
        if not line:
            continue
        where = f"{file}:{at}"
        numbers = [number for each in line if (number := _number(each)) is not None]
        if len(numbers) == len(line) == _TRIANGLE and _TRIANGLE not in known:
            return where, [], OF_SEVEN
        if len(numbers) != len(line) or len(numbers) not in known:
            return where, [], NOT_YOLO
        if numbers[0] not in names:
            return where, [], NO_NAME
        outline = len(numbers) not in (_BOX, box)
        if outline and not all(-_BEYOND <= share <= 1 + _BEYOND for share in numbers[1:]):
            return where, [], NOT_YOLO
        numbers = numbers if outline else numbers[:_BOX]
        across, down = numbers[1::2], numbers[2::2]
        if outline:
            corners = [min(across), min(down), max(across), max(down)]
        else:
            (x, wide), (y, tall) = across, down
            corners = [x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2]
        scaled = [share * side for share, side in zip(corners, [width, height] * 2, strict=True)]
        boxes.append({"label": names[int(numbers[0])], "xyxy": scaled})
    return file, boxes, None
