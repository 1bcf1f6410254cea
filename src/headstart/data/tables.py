"""The columns of labeled files beyond content and label: second texts, scores, lists of labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

from headstart.data.audit import Audit
from headstart.data.block import Block, Choose, Quarantine
from headstart.data.columnar import read_parquet, read_saved
from headstart.data.columns import LABEL_NAMES
from headstart.data.content import Content
from headstart.data.delimited import read_delimited
from headstart.data.discovery import find
from headstart.data.json_records import read_json
from headstart.data.streams import Unreadable, plain_reasons
from headstart.data.unit import SAVED, Unit

#: Kinds of units that have columns.
_TABLES = frozenset({".csv", ".tsv", ".parquet", ".json", ".jsonl", SAVED})
_SAMPLE = 1000
#: Names of columns that may hold several labels a record, after the names of any label.
TAG_NAMES = ("tags", "genres", "topics", "categories", "classes", "label_names")


class _Seen(Exception):
    """Carries the sampled columns out of a reader that need read no further."""

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = columns


def columns(source: str, content: Content) -> dict[str, list[Any]]:
    """Return sampled values of each column of the first table in ``source``; {} if it has none.

    Args:
        content: what the records are.
    """

    def choose(found: Mapping[str, Sequence[Any]]) -> tuple[str, str | None]:
        raise _Seen(found)

    for unit in find([source], Audit(), content):
        try:
            next(_blocks(unit, content, choose), None)
        except _Seen as seen:
            return {name: list(values) for name, values in seen.columns.items()}
        except Unreadable:
            continue
    return {}


def values(
    source: str, content: Content, column: str, audit: Audit | None = None
) -> Iterator[tuple[str, Any]]:
    """Yield the ``id`` of each record and its value in ``column``, as the format gave it.

    Records that cannot be read are set aside in ``audit``, where one is given.
    """
    for unit in find([source], Audit(), content):

        def aside(number: int | str, reason: str, unit: Unit = unit) -> None:
            if audit is not None:
                audit.quarantine(f"{unit.name}:{number}", reason)

        try:
            for block in _blocks(unit, content, lambda found: (column, None), aside):
                for number, value in zip(block.numbers, block.contents, strict=True):
                    yield (f"{unit.name}:{number}" if unit.name else str(number)), value
        except (Unreadable, KeyError, ValueError):  # this table has no such column
            continue


def label_sample(source: str, content: Content, column: str | None) -> tuple[str | None, list[Any]]:
    """Return the name of the label column and its first values, lists included.

    Args:
        column: its name where the user gave one; else one with a well-known name is looked for.
    """
    found = columns(source, content)
    known = {name.strip().lower(): name for name in found}
    name = column or next((known[n] for n in (*LABEL_NAMES, *TAG_NAMES) if n in known), None)
    if name is None or name not in found:
        return None, []
    rows = (value for _, value in islice(values(source, content, name), _SAMPLE))
    return name, [value for value in rows if value is not None and value != ""]


def _pass_over(number: int | str, reason: str) -> None:
    """Records that cannot be read are told of where the content is read."""


def _blocks(
    unit: Unit, content: Content, choose: Choose, aside: Quarantine = _pass_over
) -> Iterator[Block]:
    if unit.kind not in _TABLES:
        return
    with plain_reasons():
        if unit.kind == SAVED:
            yield from read_saved(unit.path, choose, content.rows)
            return
        with closing(unit.open()) as stream:
            if unit.kind in (".csv", ".tsv"):
                yield from read_delimited(stream, unit.kind, choose, aside)
            elif unit.kind == ".parquet":
                yield from read_parquet(stream, choose, content.rows)
            else:
                yield from read_json(stream, choose, aside)
