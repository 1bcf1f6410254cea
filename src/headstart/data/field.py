"""One column of a record: where sources have it, and what is kept of its values."""

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
    """No value is empty on purpose."""
    return False


def _small(value: Any) -> int:
    """Return about what a number or a name takes."""
    return 100


def _unclear(columns: Mapping[str, Sequence[Any]]) -> str | None:
    """Only a name says which column it is."""
    return None


@dataclass(frozen=True)
class Field:
    """One column of a record: how it is found in a source, and what is kept of its values.

    Attributes:
        name: of the column in the records, and in ``--column NAME=COLUMN``.
        names: well-known names of the column in sources, first ones first.
        fits: says that a value may be one of this column, to tell it from others.
        take: turns a value from a source into the one that is stored and None, or into None and
            the reason why it cannot be kept; None alone says that there is no value.
        type: gives the Arrow type of the column.
        size: about how many bytes a stored value takes.
        obvious: picks the column from those whose values fit but whose names say nothing.
        is_blank: says that a value is empty on purpose.
        required: whether a record without a value is set aside.
        missing: the reason for that; it has a default.
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

    @property
    def absent(self) -> str:
        """Why a record without a value is set aside."""
        return self.missing or f"it has no {self.name}"

    def again(self, name: str, reason: str) -> Field:
        """Return a column of the same kind under another name, as of the second of a pair.

        It is never guessed: its column in the sources has to be named. ``reason`` says why a
        record is set aside that has no such value, or one that cannot be kept.
        """

        def take(value: Any, unit: Unit) -> tuple[Any, str | None]:
            stored, fault = self.take(value, unit)
            return stored, fault and reason

        return replace(
            self,
            name=name,
            names=(),
            take=take,
            obvious=_unclear,
            required=True,
            missing=reason,
        )


def raw(name: str, names: Sequence[str]) -> Field:
    """Return a column that is kept as the format gave it: a text, a list, a number, a struct.

    It is stored as JSON; :func:`raw_values` gives it back. Every record may be without it.
    """

    def take(value: Any, unit: Unit) -> tuple[str | None, None]:
        return as_json(value)

    return Field(name, names, lambda value: True, take, string, size=len, required=False)


def as_json(value: Any) -> tuple[str | None, None]:
    """Return what is stored of a value of a :func:`raw` column; there is nothing to refuse."""
    return None if value is None else json.dumps(value, default=str), None


def raw_values(records: Dataset, name: str) -> list[Any]:
    """Return the values of a :func:`raw` column, None where a record has none."""
    if name not in records.column_names:
        return [None] * len(records)
    return [value if value is None else json.loads(value) for value in records[name]]
