"""Boxes of Label Studio, from its exports JSON (full) and JSON-MIN."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from headstart.data.pairs import number
from headstart.modalities.image.annotated import NO_PICTURE, Annotated, Pictures
from headstart.modalities.image.boxes import stated_size
from headstart.modalities.image.content import SUFFIXES

TURNED = "one of its boxes is turned; draw it upright"
UNJUDGED = "nobody has labeled it, or whoever did skipped it"
#: What an upload puts before the name of a file.
_UPLOADED = re.compile(r"[0-9a-f]{8}-")
_LABELS = "rectanglelabels"


def is_label_studio(tasks: list[Any]) -> bool:
    """Return whether a list of JSON is an export of Label Studio with boxes of pictures."""
    return any(
        isinstance(task, dict) and (_is_full(task) or any(map(_are_boxes, task.values())))
        for task in tasks
    )


def read_tasks(tasks: list[Any], path: Path) -> Iterator[Annotated]:
    """Yield the pictures of an export; they lie below the folder of ``path``, at any depth.

    Of several annotations of a task the first that was not cancelled is taken.
    """
    pictures = Pictures(path.parent)
    for index, task in enumerate(tasks, 1):
        where = f"{path.name}, task {index}"
        task = task if isinstance(task, dict) else {}
        data, regions = (task.get("data"), _first(task)) if _is_full(task) else (task, _least(task))
        image = _picture(data if isinstance(data, dict) else {}, pictures)
        fault = UNJUDGED if regions is None else None if image else NO_PICTURE
        boxes, turned, stated = _boxes(regions or [])
        yield Annotated(where, image, boxes, stated=stated, fault=fault or turned)


def _is_full(task: dict[str, Any]) -> bool:
    return isinstance(task.get("annotations"), list) and isinstance(task.get("data"), dict)


def _are_boxes(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(o, dict) and _LABELS in o for o in value)


def _first(task: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the regions of a task of the full export, flat; None where it was not labeled."""
    for found in task["annotations"]:
        if isinstance(found, dict) and not found.get("was_cancelled"):
            results = [each for each in found.get("result") or [] if isinstance(each, dict)]
            return [
                {**each, **each["value"]} for each in results if isinstance(each.get("value"), dict)
            ]
    return None


def _least(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the regions of a task of JSON-MIN, which leaves out what has none."""
    found: list[Any] = next(filter(_are_boxes, task.values()), [])
    return [each for each in found if isinstance(each, dict)]


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
        parts = urlsplit(value)
        local = parse_qs(parts.query).get("d", [""])[0]
        name = PurePath(local or unquote(parts.path)).name
        if PurePath(name).suffix.lower() in SUFFIXES:
            return pictures.named(name) or pictures.named(_UPLOADED.sub("", name, count=1))
    return None
