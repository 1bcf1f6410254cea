"""Lines of a ``.csv`` that every program reads as the rows that were written."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Any


class _Returned:
    """A file that returns what is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield a line for each row, with its end.

    A line ends with a newline, and a value with a carriage return is quoted as well as one with a
    newline: the module ``csv`` quotes the characters of the line end alone.

    Example::

        file.writelines(csv_lines([["id", "text"], ["1", "a text"]]))
    """
    writer = csv.writer(_Returned(), lineterminator="\r\n")
    for row in rows:
        line: str = writer.writerow(row)
        yield line.removesuffix("\r\n") + "\n"
