"""Captions of a picture: one or several texts, and what they are taken from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.field import Field, mostly
from headstart.data.lines import fault
from headstart.modalities.text.exact import hashes

if TYPE_CHECKING:
    import pyarrow as pa

    from headstart.data.unit import Unit

#: Well-known names of columns of captions.
NAMES = (
    *("captions", "caption", "alt", "alt_text", "sentences", "sentence", "descriptions"),
    *("description", "raw", "texts", "text", "title", "txt", "name"),
)
#: Those by which a table of pictures is one of pictures with captions.
TELLING = frozenset({*NAMES} - {"raw", "title", "name", "description", "descriptions"})
#: Most captions of a picture that are kept, and most characters of one.
MOST, LONGEST = 1000, 100_000
MISSING = "it has a picture and no caption"


def texts_of(value: Any) -> list[str] | None:
    """Return the captions in a value: a text, several, or one a language; None if it is no such."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, list | tuple | np.ndarray):
        return None
    return [text for each in value for text in texts_of(each) or []]


def fits(value: Any) -> bool:
    """Return whether a value may hold captions."""
    if isinstance(value, Mapping) and not value.keys().isdisjoint({"bytes", "path"}):
        return False
    return any(map(_has_letter, texts_of(value) or []))


def _has_letter(text: str) -> bool:
    return any(map(str.isalpha, text))


def is_blank(value: Any) -> bool:
    """Return whether a value says nothing."""
    return value is None or not any(map(str.strip, texts_of(value) or ["?"]))


def take(value: Any, unit: Unit) -> tuple[list[str] | None, str | None]:
    """Return the captions of a source's value, each once, or why there are none."""
    texts = texts_of(value)
    if texts is None:
        return None, "its caption is no text"
    bad = next(filter(None, map(fault, texts)), None)
    if bad is not None:
        return None, f"its caption cannot be read: {bad}"
    found = distinct(text.strip()[:LONGEST] for text in texts if text.strip())
    return (found[:MOST], None) if found else (None, MISSING)


def distinct(texts: Iterable[str]) -> list[str]:
    """Return the texts in order, without those that are equal but for case and spaces."""
    found = list(texts)
    known = dict[int, str]()
    for key, text in zip(keys(found).tolist(), found, strict=True):
        known.setdefault(key, text)
    return list(known.values())


def keys(texts: Iterable[str]) -> np.ndarray:
    """Return (n,) int64, equal for captions that are equal but for case and spaces; never 0."""
    found = hashes(texts).view(np.int64).copy()
    found[found == 0] = 1
    return found


def string_lists() -> pa.DataType:
    """Return the Arrow type of captions."""
    import pyarrow as pa

    return pa.list_(pa.string())


def _only(columns: Mapping[str, Sequence[Any]]) -> str | None:
    """Return the column whose values are captions, if there is a single one."""
    found = [name for name, values in columns.items() if mostly(values, fits)]
    return found[0] if len(found) == 1 else None


CAPTIONS = Field(
    name="captions",
    names=NAMES,
    fits=fits,
    take=take,
    type=string_lists,
    size=lambda captions: sum(map(len, captions)),
    obvious=_only,
    is_blank=is_blank,
    missing=MISSING,
)
