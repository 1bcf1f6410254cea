"""The label of a sample in a WebDataset shard, from the files next to its content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from headstart.data.columns import LABEL

_LONGEST = 1_000_000


def label_beside(beside: Mapping[str, bytes] | None, column: str | None) -> list[Any] | None:
    """Return the label as the only item of a list, or None where there is none.

    Args:
        beside: the other files of the sample, from suffix to content: ``cls`` holds a label,
            ``json`` an object with a field for it.
        column: the field of the object; without one ``cls`` comes first, then a well-known name.
    """
    fields = _object((beside or {}).get("json"))
    if column is not None:
        return [fields.get(column)] if column in fields else None
    if beside and "cls" in beside:
        return [beside["cls"][:_LONGEST].decode(errors="surrogateescape")]
    known = {name.lower(): value for name, value in fields.items()}
    return next(([known[name]] for name in LABEL.names if known.get(name) is not None), None)


def _object(data: bytes | None) -> dict[str, Any]:
    if data is None or len(data) > _LONGEST:
        return {}
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
