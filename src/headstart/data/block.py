"""Blocks of records, which every reader yields, so that all formats are checked in one module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

#: Begins the names of columns that are chosen beside those of the fields.
OTHER = "\0"


class Block(NamedTuple):
    """Some records of one unit.

    Attributes:
        numbers: the line or row of each, from 1; 0 where the whole file is one record, and the
            file's name where the unit is a folder's files.
        columns: from the name of a field to its raw value in each record; fields that the file does
            not have are left out.
        rows: all values of each record by their own names, from readers that have them at hand.
    """

    numbers: Sequence[int | str]
    columns: Mapping[str, Sequence[Any]]
    rows: Sequence[Mapping[str, Any]] | None = None


class Located(str):
    """The path of a file that was found in a folder, as a record's content."""


#: From a sample of each column of a source to the column of each field that it has.
Choose = Callable[[Mapping[str, Sequence[Any]]], Mapping[str, str]]

#: Quarantines the record at a line or row, with the reason.
Quarantine = Callable[[int | str, str], None]

#: Takes a sentence on how a file is read, which the user is told.
Tell = Callable[[str], None]


class Log(NamedTuple):
    """What a reader reports of a file beside its records."""

    quarantine: Quarantine
    tell: Tell


class Later(Exception):
    """A table has columns that begin after the rows from which columns were chosen.

    Attributes:
        columns: sampled values of each; the table is read again with them.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = columns


#: Rows from which columns are chosen.
SAMPLE = 1000
