"""What every reader yields, so that one place checks and stores records of all formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class Block(NamedTuple):
    """Some records of one unit.

    Attributes:
        numbers: the line or row of each, from 1; 0 where the whole file is one record, and the
            file's name where the unit is a folder's files.
        contents: their values, as the format gave them.
        labels: the same; None where the format has no labels.
    """

    numbers: Sequence[int | str]
    contents: Sequence[Any]
    labels: Sequence[Any] | None = None


class Located(str):
    """The path of a file that was found by walking, as a record's content."""


#: From a sample of each column to the names of the content and the label column.
Choose = Callable[[Mapping[str, Sequence[Any]]], tuple[str, str | None]]

#: Notes that the record at a line or row was set aside, and why.
Quarantine = Callable[[int | str, str], None]

#: Rows from which columns are chosen.
SAMPLE = 1000
