"""What every reader yields, so that one place checks and stores records of all formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class Block(NamedTuple):
    """Some records of one unit.

    Attributes:
        numbers: the line or row of each, from 1; 0 where the whole file is one record, and the
            file's name where the unit is a folder's files.
        columns: from the name of a field to its value in each record, as the format gave it; a
            field that the format does not have is left out.
    """

    numbers: Sequence[int | str]
    columns: Mapping[str, Sequence[Any]]


class Located(str):
    """The path of a file that was found by walking, as a record's content."""


#: From a sample of each column of a source to the column of each field that it has.
Choose = Callable[[Mapping[str, Sequence[Any]]], Mapping[str, str]]

#: Notes that the record at a line or row was set aside, and why.
Quarantine = Callable[[int | str, str], None]

#: Rows from which columns are chosen.
SAMPLE = 1000
