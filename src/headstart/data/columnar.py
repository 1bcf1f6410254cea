"""Reading the chosen columns of Parquet files and saved Hugging Face datasets, in batches."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data.block import SAMPLE, Block, Choose
from headstart.data.lines import chunks
from headstart.data.streams import BROKEN, Stream, Unreadable

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(stream: Stream, choose: Choose, rows: int) -> Iterator[Block]:
    """Read a Parquet file, or a member of an archive through a temporary copy.

    Args:
        rows: rows per batch.
    """
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile() as copy:
        if not isinstance(stream, io.BufferedReader):  # Parquet is read from its end
            for chunk in chunks(stream):
                copy.write(chunk)
        with pq.ParquetFile(stream if isinstance(stream, io.BufferedReader) else copy) as file:
            schema = file.schema_arrow
            first = next(file.iter_batches(SAMPLE, columns=_plain(schema)), None)
            chosen = choose(_columns(schema, first))
            batches = file.iter_batches(rows, columns=_distinct(chosen))
            yield from _blocks(batches, chosen, _noted_names(schema, chosen))


def read_saved(folder: Path, choose: Choose, rows: int) -> Iterator[Block]:
    """Read a folder that ``Dataset.save_to_disk`` wrote; class labels come as their names.

    Raises:
        Unreadable: the folder is damaged.
    """
    import datasets

    try:
        records = datasets.Dataset.load_from_disk(str(folder)).with_format("arrow")
    except Exception:  # the library raises various errors for damaged metadata
        raise Unreadable(BROKEN) from None
    schema = records.data.schema
    chosen = choose(_columns(schema, records.select_columns(_plain(schema))[:SAMPLE]))
    class_names = {
        column: dict(enumerate(feature.names))
        for column, feature in records.features.items()
        if isinstance(feature, datasets.ClassLabel)
    }
    wanted = records.select_columns(_distinct(chosen))
    yield from _blocks(wanted.iter(rows), chosen, class_names)


def _blocks(
    batches: Iterable[pa.RecordBatch | pa.Table],
    chosen: Mapping[str, str],
    class_names: Mapping[str, Mapping[int, str]],
) -> Iterator[Block]:
    number = 1
    for batch in batches:
        batch.validate(full=True)
        found = {}
        for name, column in chosen.items():
            values = batch[column].to_pylist()
            names = class_names.get(column)
            found[name] = [names.get(value) for value in values] if names else values
        yield Block(range(number, number + len(batch)), found)
        number += len(batch)


def _distinct(chosen: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(chosen.values()))


def _columns(schema: pa.Schema, sample: pa.RecordBatch | pa.Table | None) -> dict[str, list[Any]]:
    """Return sampled values of every column; values of unusual types are left out.

    A column of bytes, which may be large, is not read: an empty value represents its type.
    """
    heavy = {field.name: [_emptied(field.type)] for field in schema if holds_bytes(field.type)}
    if sample is None:
        return {name: heavy.get(name, []) for name in schema.names}
    sample.validate(full=True)
    values = {**sample.to_pydict(), **heavy}
    return {name: [v for v in values.get(name, ()) if v is not None] for name in schema.names}


def holds_bytes(kind: pa.DataType) -> bool:
    """Return whether a column holds bytes, or structs with bytes."""
    from pyarrow import types

    if types.is_struct(kind):
        return any(holds_bytes(field.type) for field in kind)
    return any(
        test(kind) for test in (types.is_binary, types.is_large_binary, types.is_binary_view)
    )


def _emptied(kind: pa.DataType) -> Any:
    from pyarrow import types

    return {field.name: None for field in kind} if types.is_struct(kind) else b""


def _noted_names(schema: pa.Schema, chosen: Mapping[str, str]) -> dict[str, dict[int, str]]:
    """Return the class names in the Hugging Face metadata of a file of images, by column."""
    notes = (schema.metadata or {}).get(b"huggingface")
    columns = _distinct(chosen)
    if not notes or not any(holds_bytes(schema.field(column).type) for column in columns):
        return {}
    try:
        features = json.loads(notes)["info"]["features"]
        noted = {column: features[column].get("names") for column in columns}
        return {
            column: dict(enumerate(map(str, names))) for column, names in noted.items() if names
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _plain(schema: pa.Schema) -> list[str]:
    """Return the columns of texts and numbers, and of lists and structs of them."""
    from pyarrow import types

    tests = (
        *(types.is_string, types.is_large_string, types.is_string_view),
        *(types.is_integer, types.is_floating, types.is_boolean),
    )

    def is_plain(kind: pa.DataType) -> bool:
        if types.is_struct(kind):
            return all(is_plain(field.type) for field in kind)
        if types.is_dictionary(kind) or _is_list(kind):
            return is_plain(kind.value_type)
        return any(test(kind) for test in tests)

    return [field.name for field in schema if is_plain(field.type)]


def _is_list(kind: pa.DataType) -> bool:
    from pyarrow import types

    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
