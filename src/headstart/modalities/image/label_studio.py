"""Boxes of Label Studio, from its exports JSON (full) and JSON-MIN."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from headstart.data.audit import Audit
from headstart.data.pairs import number
from headstart.modalities.image.annotated import NO_PICTURE, Annotated, Pictures
from headstart.modalities.image.boxes import stated_size
from headstart.modalities.image.content import SUFFIXES

TURNED = "one of its boxes is turned; draw it upright"
NO_BOX = "it is labeled with other shapes than boxes; label it with rectangles"
UNJUDGED = "nobody has labeled it, or whoever did skipped it"
#: What an upload puts before the name of a file.
_UPLOADED = re.compile(r"[0-9a-f]{8}-")
_LABELS = "rectanglelabels"
#: What else than labels tells that a region is a place in the picture.
_PLACES = frozenset({"x", "points", "rle", "vertices"})


def is_label_studio(tasks: list[Any]) -> bool:
    """Return whether a list of JSON is an export of Label Studio with boxes of pictures."""
    return any(
        isinstance(task, dict) and (_is_full(task) or any(map(_are_boxes, task.values())))
        for task in tasks
    )


def read_tasks(tasks: list[Any], path: Path, audit: Audit) -> Iterator[Annotated]:
    """Yield the pictures of an export; they lie below the folder of ``path``, at any depth.

    Of several annotations of a task the first that was not cancelled is taken.
    """
    pictures, others = Pictures(path.parent), 0
    for index, task in enumerate(tasks, 1):
        where = f"{path.name}, task {index}"
        task = task if isinstance(task, dict) else {}
        data, regions = (task.get("data"), _first(task)) if _is_full(task) else (task, _least(task))
        image = _picture(data if isinstance(data, dict) else {}, pictures)
        fault = UNJUDGED if regions is None else None if image else NO_PICTURE
        regions = regions or []
        shapes = [each for each in regions if _LABELS not in each and _is_place(each)]
        if shapes and not any(_LABELS in each for each in regions):
            fault = fault or NO_BOX  # it would count as a picture without an object
        others += len(shapes) if not fault else 0
        boxes, turned, stated = _boxes(regions)
        yield Annotated(where, image, boxes, stated=stated, fault=fault or turned)
    if others:
        audit.notes.append(f"{others} shapes beside boxes were left out, because they are no boxes")


def _is_full(task: dict[str, Any]) -> bool:
    return isinstance(task.get("annotations"), list) and isinstance(task.get("data"), dict)


def _are_boxes(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(o, dict) and _LABELS in o for o in value)


def _first(task: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the regions of a task of the full export, flat; None where it was not labeled."""
    for found in task["annotations"]:
        if isinstance(found, dict) and not found.get("was_cancelled"):
            given = _dicts(found.get("result"))
            return [_flat(each) for each in given if each.get("type") != "relation"]
    return None


def _flat(result: dict[str, Any]) -> dict[str, Any]:
    value = result.get("value")
    labels = {_LABELS: None} if result.get("type") == _LABELS else {}
    return {**labels, **result, **(value if isinstance(value, dict) else {})}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _is_place(region: dict[str, Any]) -> bool:
    return any(key in _PLACES or key.endswith("labels") for key in region)


def _least(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the regions of a task of JSON-MIN, of all its fields; it leaves out what has none."""
    return [each for value in task.values() for each in _dicts(value) if _is_place(each)]


def _boxes(
    regions: list[dict[str, Any]],
) -> tuple[list[dict[str, Any]], str | None, tuple[float, float] | None]:
    """Return boxes in pixels, what is wrong with one, and the (height, width) that they count in.

    Positions are percentages of the picture.
    """
    boxes, stated = [], None
    for each in regions:
        if _LABELS not in each:
            continue
        if number(each.get("rotation")):
            return [], TURNED, None
        size = {side: each.get(f"original_{side}") for side in ("height", "width")}
        stated = stated_size(size) or stated
        place = [number(each.get(key)) for key in ("x", "y", "width", "height")]
        labels = each[_LABELS] if isinstance(each[_LABELS], list) and each[_LABELS] else [None]
        scaled = None
        if stated and None not in place:
            sides = [stated[1], stated[0]] * 2
            scaled = [(share or 0.0) * side / 100 for share, side in zip(place, sides, strict=True)]
        boxes += [{"label": label, "xywh": scaled} for label in labels]
    return boxes, None, stated


def _picture(data: dict[str, Any], pictures: Pictures) -> str | None:
    """Return the picture that a task names by a path or an address, without what an upload adds."""
    for value in data.values():
        if not isinstance(value, str):
            continue
        try:
            parts = urlsplit(value)
        except ValueError:  # a text that looks like an address, and is none
            continue
        local = parse_qs(parts.query).get("d", [""])[0]
        name = PurePath(local or unquote(parts.path)).name
        if PurePath(name).suffix.lower() in SUFFIXES:
            return pictures.named(name) or pictures.named(_UPLOADED.sub("", name, count=1))
    return None
