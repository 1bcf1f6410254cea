"""Choosing the column of each field of a record."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headstart.data.field import Field, mostly, string
from headstart.data.lines import fault
from headstart.errors import HeadstartError, did_you_mean

if TYPE_CHECKING:
    from headstart.data.content import Content
    from headstart.data.unit import Unit

#: Fields whose columns have an option of their own.
_OWN = {"group": "--group", "time": "--time-column"}
#: Most columns in a message.
_LISTED = 10
#: A whole number with a decimal point.
_WHOLE = re.compile(r"^([+-]?[0-9]+)\.0+$")


def label_text(value: Any) -> str | None:
    """Return a label as a string, NFC, alike from every format; blank or structured values as None.

    1, 1.0 and ``"1.0"`` are ``"1"``, since a column of whole numbers with a gap is written with
    points; True and ``"True"`` are ``"true"``.
    """
    if isinstance(value, str):
        label = unicodedata.normalize("NFC", value).strip()
        if label.lower() in ("true", "false"):
            return label.lower()
        return (_WHOLE.sub(r"\1", label) if label.isascii() else label) or None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if value != value:
            return None
        return str(int(value)) if value.is_integer() else str(value)
    return str(value) if isinstance(value, int) else None


NO_LABEL = "its label is missing or not a plain value"
NOT_TEXT = "its label is bytes that are no UTF-8 text"


def _take_label(value: Any, unit: Unit) -> tuple[Any, str | None]:
    if isinstance(value, bytes):
        return None, NOT_TEXT
    label = label_text(value)
    return label, NO_LABEL if label is not None and fault(label) else None


#: The label of a record, as a string; required if its column is named.
LABEL = Field(
    name="label",
    names=(
        *("label", "labels", "label_text", "class", "class_name", "category", "target"),
        *("sentiment", "intent", "topic"),
    ),
    fits=lambda value: isinstance(value, str | int | float),
    take=_take_label,
    type=string,
    size=len,
    required=False,
    missing=NO_LABEL,
)


def choose(
    where: str,
    columns: Mapping[str, Sequence[Any]],
    fields: Iterable[Field],
    named: Mapping[str, str],
) -> dict[str, str]:
    """Return the column of each field; an optional field may have none.

    A named column is taken; else the column with a well-known name whose values fit, or the obvious
    one of those that fit and do not belong to another field.

    Args:
        where: the file, for messages.
        columns: a sample of the values of each column, without missing ones.
        fields: the fields to find.
        named: from the name of a field to the column that the user named.

    Raises:
        HeadstartError: a named column is missing, or it is unclear which one holds a required
            field.
    """
    for name, column in named.items():
        check(where, columns, name, column)
    found = dict(named)
    unclear: list[str] = []
    # Optional fields, found by well-known names only, narrow down the candidates for the others.
    for field in sorted(fields, key=lambda field: field.required):
        if field.name in found:
            continue
        taken = {column for name, column in found.items() if name not in _OWN}
        fitting = {
            column: [value for value in values if field.fits(value)]
            for column, values in columns.items()
            if column not in taken and mostly(values, field.fits)
        }
        # Values of an optional column may begin behind the sample.
        empty = [] if field.required else [name for name, values in columns.items() if not values]
        known = {column.strip().lower(): column for column in reversed([*fitting, *empty])}
        names = [name.lower() for name in field.names]
        chosen = next((known[name] for name in names if name in known), None)
        # What a split looks at may be a text or a label as well, but that has to be known by name.
        others = {name: values for name, values in fitting.items() if name not in found.values()}
        chosen = chosen or field.obvious(others)
        if chosen is not None:
            found[field.name] = chosen
        elif field.required:
            unclear.append(field.name)
    if unclear:
        one = len(unclear) == 1
        raise HeadstartError(
            f"it is unclear which column{'' if one else 's'} of {where} hold{'s' if one else ''} "
            f"the {' and the '.join(unclear)}; name {'it' if one else 'them'} with "
            f"{' and '.join(map(option, unclear))} ({listed(columns)})."
        )
    return found


def first_indices(header: Sequence[str]) -> dict[str, int]:
    """Return the index of each name in a header, of a repeated one the first."""
    found: dict[str, int] = {}
    for index, name in enumerate(header):
        found.setdefault(name, index)
    return found


def repeated(header: Sequence[str], chosen: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each column that is read and whose name another column has as well."""
    for column in dict.fromkeys(chosen.values()):
        if (count := header.count(column)) > 1:
            yield f"of its {count} columns {column!r} the first is read; give each its own name"


def guessed(
    columns: Mapping[str, Sequence[Any]],
    fields: Iterable[Field],
    named: Mapping[str, str],
    found: Mapping[str, str],
) -> str:
    """Return which columns are read as what, where the user did not say so; "" if it is obvious.

    It is where each column has the name of its field. Where one is known by no usual name, the
    columns that are not read are listed as well.

    Args:
        columns, fields, named: as of :func:`choose`.
        found: what it returned.
    """
    usual = {field.name: {field.name, *map(str.lower, field.names)} for field in fields}
    taken = {name: found[name] for name in usual if name in found and name not in named}
    if all(column.strip().lower() == name for name, column in taken.items()):
        return ""
    first, *others = [f"{column!r} is read as the {name}" for name, column in taken.items()]
    sentence = f"column {' and '.join([first, *(each.replace(' is read', '') for each in others)])}"
    unsure = [name for name, column in taken.items() if column.strip().lower() not in usual[name]]
    unread = [column for column in columns if column not in found.values()]
    if not unsure or not unread:
        return sentence
    names = ", ".join(map(repr, unread[:_LISTED])) + ", ..." * (len(unread) > _LISTED)
    return f"{sentence}; not read: {names} (name another with {option(unsure[0])})"


def misfits(
    columns: Mapping[str, Sequence[Any]], fields: Iterable[Field], found: Mapping[str, str]
) -> Iterator[str]:
    """Yield a sentence for each optional field whose column is known by name but not read.

    Its values do not fit, and what they say would be lost without a word.
    """
    known = {column.strip().lower(): column for column in reversed(list(columns))}
    for field in fields:
        if field.required or field.name in found:
            continue
        column = next((known[name] for name in field.names if name in known), None)
        if column is None or column in found.values():
            continue
        some = (value for value in columns[column] if str(value).strip())
        one = next((value for value in some if not field.fits(value)), None)
        if one is not None:
            yield (
                f"column {column!r} is not read as the {field.name}, as values such as "
                f"{str(one)[:30]!r} do not fit"
            )


def check(where: str, columns: Iterable[str], name: str, column: str) -> None:
    """Raise a :class:`HeadstartError` for a named column that is not there."""
    found = list(columns)
    if column not in found:
        hint = did_you_mean(column, found)
        hint = hint.rstrip(".?") if "did you mean" in hint else ""
        raise HeadstartError(
            f"{where} has no column {column!r}{hint}; {listed(found)}; check "
            f"{option(name, column)}."
        )


def check_names(
    named: Mapping[str, str], content: Content, others: Collection[str] = (LABEL.name,)
) -> None:
    """Raise a :class:`HeadstartError` where ``--column`` has an unknown field, or one column twice.

    Args:
        named: from the name of a field to a column.
        others: names of fields beside those of the content.
    """
    known = [*content.nameable, *others]
    owners: dict[str, str] = {}
    for name, column in named.items():
        if name not in known:
            raise HeadstartError(
                f"{option(name, column)}: {name!r} is nothing that is read here"
                f"{did_you_mean(name, known)}"
            )
        other = owners.setdefault(column, name)
        if other != name:
            raise HeadstartError(
                f"{option(other, column)} and {option(name, column)} name one column, {column!r}; "
                "name another for one of them."
            )


def option(name: str, column: str = "COLUMN") -> str:
    """Return the command-line option for the column of a field."""
    own = _OWN.get(name)
    return f"{own} {column}" if own else f"--column {name}={column}"


def listed(columns: Iterable[str]) -> str:
    """Return up to ten column names, as a part of a message."""
    found = list(columns)
    if not found:
        return "it has no columns"
    names = ", ".join(map(repr, found[:_LISTED]))
    return f"its columns are {names}{', ...' if len(found) > _LISTED else ''}"
