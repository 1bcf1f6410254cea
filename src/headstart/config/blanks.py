"""Values that are empty: of most options they are a mistake, such as an unset variable of a shell.

An empty path would be the working folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Blank:
    """Marks an option whose value may be blank."""


#: A separator of several labels in one field, and a text to go on with.
Separator = Annotated[str | None, Blank()]
Prompt = Annotated[str, Blank()]


def each_of(value: Any) -> list[Any]:
    """Return a value, or those of a list or a table, as a list."""
    if isinstance(value, Mapping):
        return [*value.values()]
    return [*value] if isinstance(value, list | tuple) else [value]


def refuse_blank(value: Any, field: FieldInfo) -> None:
    """Refuse an empty text, or one among others, where the option has a use for none.

    Raises:
        ValueError: it is empty or blank.
    """
    if Blank() in field.metadata or value == field.default:
        return
    for each in each_of(value):
        if isinstance(each, str) and not each.strip():
            remedy = "give it a value" if field.is_required() else "leave it out, or give it one"
            raise ValueError(f"{each!r} is empty; {remedy}")
