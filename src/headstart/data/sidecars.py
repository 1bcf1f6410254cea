"""What files beside a record say of it: those of a WebDataset sample, or of the same name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.data.columns import LABEL

_LONGEST = 1_000_000
#: What stands for a text that cannot be read, or is too long: no text has it.
_NO_TEXT = "\0"


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


def texts_beside(folder: Path, names: Sequence[str], suffix: str) -> list[str | None] | None:
    """Return the text beside each file of a folder: of ``a.wav`` that in ``a.txt``.

    It is None for a file that has none, and in all where no file has one. What cannot be read is a
    NUL, which no field takes.
    """
    beside = [folder / f"{os.path.splitext(name)[0]}{suffix}" for name in names]
    found = [_text(file) if file.is_file() else None for file in beside]
    return None if found.count(None) == len(found) else found


def _text(file: Path) -> str:
    try:
        with open(file, "rb") as stream:
            return decoded(stream.read(_LONGEST + 1))
    except OSError:
        return _NO_TEXT


def decoded(data: bytes) -> str:
    """Return a text of UTF-8 without the line ends around it; other bytes become surrogates."""
    if len(data) > _LONGEST:
        return _NO_TEXT
    return data.decode("utf-8-sig", "surrogateescape").strip()


def _object(data: bytes | None) -> dict[str, Any]:
    if data is None or len(data) > _LONGEST:
        return {}
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
