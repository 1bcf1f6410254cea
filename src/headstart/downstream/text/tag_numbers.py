"""Tags that are numbers, and the files beside them that name them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: A tag a line, in the order of their numbers.
LIST = "labels.txt"
#: What ``datasets`` writes: the features of a data set, with the names of their classes.
INFO = "dataset_info.json"

UNNAMED = (
    f"its tags are numbers without names; put a {LIST} beside the file, with a tag a line in the "
    "order of the numbers, or write the tags as texts"
)
BEYOND = f"one of its tags is a number that {LIST} or {INFO} has no name for"


def are_numbers(tags: Any) -> bool:
    """Return whether tags are whole numbers, and none is a text."""
    return isinstance(tags, list) and bool(tags) and all(type(tag) is int for tag in tags)


def names_beside(source: str) -> list[str]:
    """Return the names of tags in the folder of a source; [] without a file of them."""
    path = Path(source)
    folder = path if path.is_dir() else path.parent
    try:
        if (folder / LIST).is_file():
            lines = (folder / LIST).read_text(encoding="utf-8-sig").splitlines()
            return [line.strip() for line in lines if line.strip()]
        features = json.loads((folder / INFO).read_text(encoding="utf-8"))["features"]
        return next((names for each in features.values() if (names := _names(each))), [])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []


def _names(feature: Any) -> list[str]:
    """Return the names of a feature that is a list of class labels; [] for others."""
    inner = feature[0] if isinstance(feature, list) else feature.get("feature", {})
    return list(map(str, inner["names"])) if inner.get("_type") == "ClassLabel" else []


def named(tags: Sequence[int], names: Sequence[str]) -> list[str] | None:
    """Return the names of tags; None if one has none."""
    known = all(0 <= tag < len(names) for tag in tags)
    return [names[tag] for tag in tags] if known else None
