"""One column of a record: how it is found in sources, and how its values are stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from headstart.data.unit import Unit


def string() -> pa.DataType:
    """Return the Arrow type of texts."""
    import pyarrow as pa

    return pa.string()


def _never(value: Any) -> bool:
    """No value is blank."""
    return False


def _small(value: Any) -> int:
    """Return the approximate size of a number or a name."""
    return 100


def _unclear(columns: Mapping[str, Sequence[Any]]) -> str | None:
    """The column can be found by its name only."""
    return None


@dataclass(frozen=True)
class Field:
    """One column of a record: how it is found in a source, and how its values are stored.

    Attributes:
        name: of the column in the records, and in ``--column NAME=COLUMN``.
        names: well-known names of the column in sources, in order of preference.
        fits: returns whether a value may belong to this column, to distinguish it from others.
        take: returns the stored value of a source's value and None, or None and the reason why it
            is invalid; both are None if there is no value.
        type: returns the Arrow type of the column.
        size: approximate bytes of a stored value.
        obvious: chooses among columns whose values fit but whose names are unknown.
        is_blank: returns whether a value is blank, which is not an error.
        required: whether a record without a value is quarantined.
        missing: the reason for that; it has a default.
        take_all: returns the stored values of many at once, much faster than ``take``, whose
            values they equal; None where one may be invalid, so that each is taken by itself. No
            value of such a field is blank.
        beside: suffix of the file, of the name of a record's own, that holds its value as a text
            where a source has no columns, such as ``.txt``; None where there is none.

    Example::

        Field(
            name="series",
            names=("series", "values"),
            fits=lambda value: isinstance(value, list),
            take=lambda value, unit: (value, None) if value else (None, "it is empty"),
            type=lambda: pa.list_(pa.float32()),
        )
    """

    name: str
    names: Sequence[str]
    fits: Callable[[Any], bool]
    take: Callable[[Any, Unit], tuple[Any, str | None]]
    type: Callable[[], pa.DataType]
    size: Callable[[Any], int] = _small
    obvious: Callable[[Mapping[str, Sequence[Any]]], str | None] = _unclear
    is_blank: Callable[[Any], bool] = _never
    required: bool = True
    missing: str = ""
    take_all: Callable[[Sequence[Any]], list[Any] | None] | None = None
    beside: str | None = None

    @property
    def absent(self) -> str:
        """Why a record without a value is quarantined."""
        return self.missing or f"it has no {self.name}"

    def sizes(self, values: Sequence[Any]) -> int:
        """Return the approximate bytes of stored values, None among them."""
        if self.size is _small:
            return 100 * (len(values) - values.count(None))
        return sum(self.size(value) for value in values if value is not None)

    def again(self, name: str, reason: str) -> Field:
        """Return a field of the same type under another name, such as the second of a pair.

        Its column in the sources must be named. ``reason`` is why a record without a valid value
        is quarantined.
        """

        def take(value: Any, unit: Unit) -> tuple[Any, str | None]:
            stored, fault = self.take(value, unit)
            return stored, fault and reason

        return replace(
            self,
            name=name,
            names=(),
            take=take,
            take_all=None,
            obvious=_unclear,
            required=True,
            missing=reason,
        )


def raw(name: str, names: Sequence[str]) -> Field:
    """Return a field that stores raw values: a string, a list, a number, a struct.

    It is stored as JSON, see :func:`raw_values`, and optional.
    """

    def take(value: Any, unit: Unit) -> tuple[str | None, None]:
        return as_json(value)

    return Field(name, names, lambda value: True, take, string, size=len, required=False)


def as_json(value: Any) -> tuple[str | None, None]:
    """Return the stored value of a :func:`raw` column; every value is valid."""
    return None if value is None else json.dumps(value, default=str), None


def raw_values(records: Dataset, name: str) -> list[Any]:
    """Return the values of a :func:`raw` column, None where a record has none."""
    if name not in records.column_names:
        return [None] * len(records)
    return [value if value is None else json.loads(value) for value in records[name]]


def mostly(values: Sequence[Any], fits: Callable[[Any], bool]) -> bool:
    """Return whether half of the values or more fit, since a few records may be invalid."""
    return bool(values) and 2 * sum(map(fits, values)) >= len(values)
