"""What is known of items beside their events: titles, texts, categories. Imports no torch."""

from __future__ import annotations

import ast
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.data.audit import Audit
from headstart.data.content import Content
from headstart.data.field import Field, string
from headstart.errors import HeadstartError
from headstart.files import whole_file
from headstart.modalities.interactions.ids import ITEM_NAMES, name_of
from headstart.stored import opening

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from headstart.data.unit import Unit
    from headstart.modalities.interactions.options import InteractionOptions

#: The file of a run that holds the table.
STORED = "item_table.parquet"
#: Letters of an item's text, and categories, that are kept.
LETTERS, MOST = 4000, 64
TITLE_NAMES = (
    *("title", "name", "item_name", "product_name", "product_title", "movie_title", "item_title"),
    *("track_name", "song_name", "book_title", "headline", "original_title"),
)
TEXT_NAMES = (
    *("description", "text", "overview", "summary", "plot", "abstract", "body", "content"),
    *("details", "product_description", "long_description", "features"),
)
CATEGORY_NAMES = (
    *("genres", "genre", "categories", "category", "tags", "main_category", "topics", "topic"),
    *("category_name", "department", "class", "label", "labels"),
)
#: Between the categories of a cell; the first of these that it has divides it.
_SEPARATORS = ("|", ";", ",")
_OPTIONS = {"item": "item", "title": "title", "description": "description", "label": "category"}


class Item(NamedTuple):
    """One row of the table.

    Attributes:
        name: the id, as of :func:`headstart.modalities.interactions.ids.name_of`.
        title, text: empty where they are not known.
    """

    name: str
    title: str = ""
    text: str = ""
    categories: tuple[str, ...] = ()


class ItemTable:
    """Titles, texts and categories of items by their ids; read from a file when first asked for.

    Example::

        table = ItemTable([Item("12", "Toy Story (1995)", categories=("Animation",))])
        table.title_of("12"), table.title_of("13")  # ("Toy Story (1995)", "13")

    Attributes:
        doubles: rows whose id an earlier row has; the first row of an id counts.
        audit: of the reading, if it was read from a user's file.
    """

    def __init__(
        self, rows: Iterable[Item] | Path, *, doubles: int = 0, audit: Audit | None = None
    ) -> None:
        self._source = rows if isinstance(rows, Path) else list(rows)
        self.doubles, self.audit = doubles, audit or Audit()

    @cached_property
    def items(self) -> dict[str, Item]:
        """The rows by id, in the order of the file."""
        rows = _stored(self._source) if isinstance(self._source, Path) else self._source
        return {row.name: row for row in rows}

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, name: str) -> bool:
        return name in self.items

    def known_title(self, name: str) -> str | None:
        """Return the title of an item; None where none is known."""
        found = self.items.get(name)
        return (found.title or None) if found else None

    def title_of(self, name: str) -> str:
        """Return the title of an item, or its id where none is known."""
        return self.known_title(name) or name

    def shown(self, name: str) -> str:
        """Return the id of an item, with its title where one is known."""
        title = self.known_title(name)
        return name if title is None or title == name else f"{name} {title}"

    @cached_property
    def named(self) -> dict[str, list[str]]:
        """The ids of each title, which is in lower case."""
        found: dict[str, list[str]] = {}
        for row in self.items.values():
            if row.title:
                found.setdefault(row.title.lower(), []).append(row.name)
        return found

    def save(self, folder: Path) -> None:
        """Write :data:`STORED` into a folder."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = list(self.items.values())
        columns = {
            "id": pa.array([row.name for row in rows], pa.string()),
            "title": pa.array([row.title for row in rows], pa.string()),
            "text": pa.array([row.text for row in rows], pa.string()),
            "categories": pa.array([list(row.categories) for row in rows], pa.list_(pa.string())),
        }
        with whole_file(folder / STORED) as partial:
            pq.write_table(pa.table(columns), partial)

    @classmethod
    def load(cls, folder: Path) -> ItemTable | None:
        """Return what :meth:`save` wrote; None where nothing was."""
        return cls(folder / STORED) if (folder / STORED).is_file() else None


def _stored(file: Path) -> Iterator[Item]:
    import pyarrow.parquet as pq

    with opening(file):
        found = pq.read_table(file, columns=["id", "title", "text", "categories"]).to_pydict()
    for name, title, text, categories in zip(*found.values(), strict=True):
        yield Item(name, title or "", text or "", tuple(categories or ()))


def categories_in(value: Any) -> tuple[str, ...]:
    """Return the categories of a list, or of a cell such as ``"Action|Comedy"``, each once."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            for reader in (json.loads, ast.literal_eval):  # JSON, or a list as Python writes it
                try:
                    return categories_in(reader(text))
                except (ValueError, SyntaxError, RecursionError, MemoryError):
                    continue
        between = next((mark for mark in _SEPARATORS if mark in text), None)
        value = text.split(between) if between else [text]
    if isinstance(value, Mapping):  # as of TMDB: {"id": 16, "name": "Animation"}
        value = [value.get("name")]
    if not isinstance(value, list | tuple):
        value = value.tolist() if hasattr(value, "tolist") else [value]
        value = value if isinstance(value, list) else [value]
    found: dict[str, None] = {}
    for one in value:
        if isinstance(one, list | tuple | Mapping):
            found |= dict.fromkeys(categories_in(one))
        elif (name := name_of(one)) is not None:
            found[name] = None
    return tuple(found)[:MOST]


def _text(value: Any) -> str:
    """Return what a cell says, on one line; a list of texts joined."""
    if isinstance(value, list | tuple):
        return " ".join(filter(None, map(_text, value)))
    return " ".join((name_of(value) or "").split()) if isinstance(value, str | int | float) else ""


def _take_id(value: Any, unit: Unit) -> tuple[str | None, str | None]:
    return name_of(value), None


def _take_text(value: Any, unit: Unit) -> tuple[str | None, str | None]:
    return _text(value)[:LETTERS] or None, None


def _take_categories(value: Any, unit: Unit) -> tuple[list[str] | None, str | None]:
    return list(categories_in(value)) or None, None


def _strings() -> pa.DataType:
    import pyarrow as pa

    return pa.list_(pa.string())


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and name_of(value) is not None


def _field(
    name: str,
    names: Sequence[str],
    take: Any,
    *,
    fits: Any = lambda value: True,
    kind: Any = string,
) -> Field:
    return Field(name, names, fits=fits, take=take, type=kind, required=False)


def _digests(records: Dataset) -> np.ndarray:
    return np.arange(len(records), dtype=np.uint64)  # rows are told apart by their ids alone


#: Where the name of a column tells nothing else, it is the first of these.
_ID_NAMES = (*ITEM_NAMES, "id", "movie id", "product id", "item id")
_TABLE = Content(
    name="interactions",
    noun="rows of items",
    reads=".csv, .tsv, .jsonl, .json, .parquet or .xlsx, with a column of items",
    fields=(
        _field("item", _ID_NAMES, _take_id, fits=_is_plain),
        _field("title", TITLE_NAMES, _take_text, fits=_is_plain),
        _field("description", TEXT_NAMES, _take_text),
    ),
    tables=frozenset({".csv", ".tsv", ".jsonl", ".json"}),
    stores=frozenset({".parquet", ".xlsx"}),
    archives=frozenset({".zip"}),
    class_files=frozenset(),
    digests=_digests,
    repeats=lambda records, audit: 0,
    survey=lambda records, audit, effort: None,
    export=lambda records, folder: [],
    rows=8192,
)
#: The records of a source have a label; of an item it is what it is filed under.
_CATEGORY = _field("label", CATEGORY_NAMES, _take_categories, kind=_strings)


def read_item_table(
    path: str, columns: Mapping[str, str], option: str = "--set interactions."
) -> ItemTable:
    """Read a table of items.

    Args:
        columns: of ``item``, ``title``, ``description`` and ``label``, where the user named them.
        option: how they are named, for messages: what stands before ``title=COLUMN``.

    Raises:
        HeadstartError: there is no such file, or it has no column of items.
    """
    file = os.path.expanduser(path)
    check_item_table(file)
    return _read(file, os.stat(file).st_mtime_ns, tuple(sorted(columns.items())), option)


def check_item_table(path: str) -> None:
    """Refuse a table of items that is not there.

    Raises:
        HeadstartError: the message says what was expected.
    """
    file = os.path.expanduser(path)
    if not os.path.isfile(file):
        what = "is a folder" if os.path.isdir(file) else "does not exist"
        raise HeadstartError(
            f"the table of items {path} {what}; name a {_TABLE.reads}, and columns such as title."
        )


@lru_cache(maxsize=2)  # the audit and what is fitted look at the same file
def _read(file: str, state: int, columns: tuple[tuple[str, str], ...], option: str) -> ItemTable:
    from headstart.data.sources import read

    audit = Audit()
    try:
        records = read(
            [file],
            content=_TABLE,
            columns=dict(columns),
            document="line",
            audit=audit,
            fields=[_CATEGORY],
        )
    except HeadstartError as error:
        raise HeadstartError(_with_options(str(error), option)) from None
    audit.notes = [_with_options(note, option) for note in audit.notes]
    if "item" not in records.column_names or all(name is None for name in records["item"]):
        raise HeadstartError(
            f"{file} has no column of items; name it with {option}item=COLUMN, or give "
            "the file a first row of names if it has none."
        )
    found: dict[str, Item] = {}
    doubles = 0
    for row in _rows(records):
        if not row.name:
            audit.drop(f"a row of {os.path.basename(file)}", "it has no id of an item")
        elif row.name in found:
            doubles += 1
        else:
            found[row.name] = row
    return ItemTable(found.values(), doubles=doubles, audit=audit)


def _with_options(sentence: str, option: str) -> str:
    """Return a sentence of a reader with the options by which columns of items are named."""
    for field, name in _OPTIONS.items():
        sentence = sentence.replace(f"--column {field}=", f"{option}{name}=")
    return sentence.replace(" as the label", " as the category")


def _rows(records: Dataset) -> Iterator[Item]:
    columns = [
        records[name][:] if name in records.column_names else [None] * len(records)
        for name in ("item", "title", "description", "label")
    ]
    for name, title, text, categories in zip(*columns, strict=True):
        yield Item(name or "", title or "", text or "", tuple(categories or ()))


def table_of(options: InteractionOptions) -> ItemTable | None:
    """Return the table that the options of a run name; None for none.

    Raises:
        HeadstartError: it cannot be read.
    """
    if options.item_table is None:
        return None
    given = {"item": options.item, "title": options.title, "description": options.description}
    given["label"] = options.category
    return read_item_table(
        options.item_table, {name: column for name, column in given.items() if column is not None}
    )


def note_table(table: ItemTable, events: Counter[str], where: str, audit: Audit) -> None:
    """Note in the audit of events what of the table fits them, and what does not.

    Args:
        events: how many each item has.
        where: the file of the table.
    """
    name = os.path.basename(where)
    missing = [item for item in events if item not in table]
    without = sum(1 for item in table.items if item not in events)
    titled = sum(1 for item in events if table.known_title(item))
    facts = audit.findings.setdefault("facts", {})
    facts["rows of the table of items"] = f"{len(table):,}"
    facts["items with a title"] = f"{titled:,} ({titled / max(1, len(events)):.1%})"
    said = []
    if missing:
        said.append(f"{len(missing):,} of {len(events):,} items with events have no row")
    if without:
        said.append(_counted(without, "is of an item", "are of items") + " without an event")
    if table.doubles:
        said.append(_counted(table.doubles, "repeats", "repeat") + " the id of an earlier one")
    if table.audit.quarantined:
        (reason, count), *_ = table.audit.reasons.most_common(1)
        set_aside = _counted(table.audit.quarantined, "is set aside", "are set aside")
        said.append(f"{set_aside} ({count:,}: {reason})")
    if said:
        audit.notes.append(f"{name}: {'; '.join(said)}.")
    if not any(row.title or row.text or row.categories for row in table.items.values()):
        audit.notes.append(
            f"{name} has no column that is known for titles, texts or categories; name one with "
            "--set interactions.title=COLUMN."
        )
    if events and len(missing) == len(events):
        audit.notes.append(
            f"{name} knows none of the items, such as {missing[0]!r}; name the column of the same "
            "ids with --set interactions.item=COLUMN."
        )
    audit.notes += table.audit.notes


def _counted(count: int, one: str, several: str) -> str:
    return f"1 row {one}" if count == 1 else f"{count:,} rows {several}"
