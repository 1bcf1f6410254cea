"""Reading a table of items from a user's file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.audit import Audit
from headstart.data.content import Content
from headstart.data.field import Field, string
from headstart.data.located import inside
from headstart.errors import HeadstartError
from headstart.modalities.interactions.ids import ITEM_NAMES, name_of
from headstart.modalities.interactions.item_cells import (
    CATEGORY_NAMES,
    IMAGE_NAMES,
    LETTERS,
    PRICE_NAMES,
    TEXT_NAMES,
    TITLE_NAMES,
    categories_in,
    names_picture,
    price_in,
    text_in,
)
from headstart.modalities.interactions.item_table import Item, ItemTable

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from headstart.data.unit import Unit
    from headstart.modalities.interactions.options import InteractionOptions

#: What is read of an item. The records of a source have a label; of an item it is what it is filed
#: under, which users call its category.
COLUMNS = ("item", "title", "description", "label", "price", "image")
_OPTIONS = {"label": "category"}


def _take_id(value: Any, unit: Unit) -> tuple[str | None, str | None]:
    return name_of(value), None


def _take_text(value: Any, unit: Unit) -> tuple[str | None, str | None]:
    return text_in(value)[:LETTERS] or None, None


def _take_categories(value: Any, unit: Unit) -> tuple[list[str] | None, str | None]:
    return list(categories_in(value)) or None, None


def _take_price(value: Any, unit: Unit) -> tuple[float | None, str | None]:
    return price_in(value), None


def _take_image(value: Any, unit: Unit) -> tuple[str | None, str | None]:
    return text_in(value) or None if isinstance(value, str) else None, None


def _strings() -> pa.DataType:
    import pyarrow as pa

    return pa.list_(pa.string())


def _number() -> pa.DataType:
    import pyarrow as pa

    return pa.float64()


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
        _field(
            "price",
            PRICE_NAMES,
            _take_price,
            fits=lambda value: price_in(value) is not None,
            kind=_number,
        ),
        _field("image", IMAGE_NAMES, _take_image, fits=names_picture),
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
_CATEGORY = _field("label", CATEGORY_NAMES, _take_categories, kind=_strings)


def read_item_table(
    path: str, columns: Mapping[str, str], option: str = "--set interactions."
) -> ItemTable:
    """Read a table of items.

    Args:
        columns: of :data:`COLUMNS`, where the user named them.
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
        what = "is a folder" if os.path.isdir(file) else "is no file"
        what = what if os.path.lexists(file) else "does not exist"
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
    lost: list[str] = []
    doubles = 0
    for row in _rows(records, os.path.dirname(os.path.abspath(file)), lost):
        if not row.name:
            audit.drop(f"a row of {os.path.basename(file)}", "it has no id of an item")
        elif row.name in found:
            doubles += 1
        else:
            found[row.name] = row
    return ItemTable(found.values(), doubles=doubles, lost=lost, audit=audit)


def _with_options(sentence: str, option: str) -> str:
    """Return a sentence of a reader with the options by which columns of items are named."""
    for field in COLUMNS:
        named = f"{option}{_OPTIONS.get(field, field)}="
        sentence = sentence.replace(f"--column {field}=", named)
    return sentence.replace(" as the label", " as the category")


def _rows(records: Dataset, folder: str, lost: list[str]) -> Iterator[Item]:
    """Yield the rows; names of pictures that are no files inside ``folder`` are added to lost."""
    columns = [
        records[name][:] if name in records.column_names else [None] * len(records)
        for name in COLUMNS
    ]
    for name, title, text, categories, price, image in zip(*columns, strict=True):
        path = inside(image, folder) if image else None
        if image and (path is None or not os.path.isfile(path)):
            lost.append(image)
            path = None
        yield Item(name or "", title or "", text or "", tuple(categories or ()), price, path or "")


def table_of(options: InteractionOptions) -> ItemTable | None:
    """Return the table that the options of a run name; None for none.

    Raises:
        HeadstartError: it cannot be read.
    """
    if options.item_table is None:
        return None
    given = {field: getattr(options, _OPTIONS.get(field, field)) for field in COLUMNS}
    return read_item_table(
        options.item_table, {name: column for name, column in given.items() if column is not None}
    )
