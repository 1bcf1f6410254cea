"""Tables: files with a record per row, and samples of their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from headstart.data.audit import Audit
from headstart.data.block import Block, Choose, Log
from headstart.data.columnar import read_parquet, read_saved
from headstart.data.columns import LABEL
from headstart.data.decoding import TextStream, open_text
from headstart.data.delimited import read_delimited
from headstart.data.discovery import find
from headstart.data.json_records import read_json
from headstart.data.streams import Unreadable, plain_reasons
from headstart.data.unit import SAVED, Unit
from headstart.data.workbooks import read_workbook
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.data.content import Content

#: Kinds of units that have columns.
TABLES = frozenset({".csv", ".tsv", ".parquet", ".json", ".jsonl", ".xlsx", SAVED})
#: Names of columns that may have several labels per record, after the names of any label.
TAG_NAMES = ("tags", "genres", "topics", "categories", "classes", "label_names")

_SILENT = Log(lambda number, reason: None, lambda sentence: None)


class _Seen(Exception):
    """Carries the sampled columns out of a reader, which then stops."""

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = columns


def read_table(
    unit: Unit, choose: Choose, log: Log, rows: int, text: Callable[[], TextStream]
) -> Iterator[Block]:
    """Yield the blocks of a unit of one of the kinds in :data:`TABLES`.

    Args:
        log: hears of rows that are set aside, and how the file is read.
        rows: rows per batch of a columnar file.
        text: opens a text file.

    Raises:
        Unreadable: it is broken.
        Later: a column begins after the rows from which columns were chosen.
    """
    if unit.kind == SAVED:
        yield from read_saved(unit.path, choose, rows)
    elif unit.kind == ".parquet":
        with closing(unit.open()) as stream:
            yield from read_parquet(stream, choose, rows)
    elif unit.kind == ".xlsx":
        with closing(unit.open()) as stream:
            yield from read_workbook(stream, unit.name, unit.part, choose, log.tell)
    else:
        with closing(text()) as stream:
            if unit.kind in (".csv", ".tsv"):
                yield from read_delimited(stream, unit.kind, choose, log)
            else:
                yield from read_json(stream, unit.kind, choose, log)


def columns(source: str, content: Content) -> dict[str, list[Any]]:
    """Return sampled values of each column of the first table in ``source``; {} if it has none.

    Only a sample of the table is read.

    Args:
        content: the kind of the records.
    """
    return next((found for unit in find([source], Audit(), content) if (found := peek(unit))), {})


def peek(unit: Unit) -> dict[str, list[Any]]:
    """Return sampled values of each column of a unit; {} if it is not a table, or broken.

    Where the encoding is not certain, letters beyond ASCII are arbitrary.
    """

    def choose(found: Mapping[str, Sequence[Any]]) -> Mapping[str, str]:
        raise _Seen(found)

    if unit.kind in TABLES:
        try:
            with plain_reasons():
                text = partial(open_text, unit, usual="latin-1", whole=False)
                next(read_table(unit, choose, _SILENT, 1, text), None)
        except _Seen as seen:
            return {name: list(values) for name, values in seen.columns.items()}
        except (Unreadable, HeadstartError):  # whoever reads it will say why
            pass
    return {}


def label_sample(source: str, content: Content, column: str | None) -> tuple[str | None, list[Any]]:
    """Return the name of the label column and its first values, lists included.

    Args:
        column: its name, if the user gave one; else it is found by a well-known name.
    """
    found = columns(source, content)
    known = {name.strip().lower(): name for name in found}
    name = column or next((known[n] for n in (*LABEL.names, *TAG_NAMES) if n in known), None)
    if name is None or name not in found:
        return None, []
    return name, [value for value in found[name] if value != ""]
