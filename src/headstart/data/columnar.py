"""Reading Parquet files and saved Hugging Face datasets, two columns and some rows at a time."""

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
        rows: rows that are read at a time.
    """
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile() as copy:
        if not isinstance(stream, io.BufferedReader):  # Parquet is read from its end
            for chunk in chunks(stream):
                copy.write(chunk)
        with pq.ParquetFile(stream if isinstance(stream, io.BufferedReader) else copy) as file:
            schema = file.schema_arrow
            first = next(file.iter_batches(SAMPLE, columns=_plain(schema)), None)
            content, label = choose(_columns(schema, first))
            batches = file.iter_batches(rows, columns=[content, label] if label else [content])
            yield from _blocks(batches, content, label, _noted_names(schema, content, label))


def read_saved(folder: Path, choose: Choose, rows: int) -> Iterator[Block]:
    """Read a folder that ``Dataset.save_to_disk`` wrote; class labels come as their names.

    Raises:
        Unreadable: the folder is damaged.
    """
    import datasets

    try:
        records = datasets.Dataset.load_from_disk(str(folder)).with_format("arrow")
    except Exception:  # damaged metadata makes the library stumble in many ways
        raise Unreadable(BROKEN) from None
    schema = records.data.schema
    content, label = choose(_columns(schema, records.select_columns(_plain(schema))[:SAMPLE]))
    feature = records.features[label] if label else None
    names = dict(enumerate(feature.names)) if isinstance(feature, datasets.ClassLabel) else {}
    wanted = records.select_columns([content, label] if label else [content])
    yield from _blocks(wanted.iter(rows), content, label, names)


def _blocks(
    batches: Iterable[pa.RecordBatch | pa.Table],
    content: str,
    label: str | None,
    class_names: Mapping[int, str],
) -> Iterator[Block]:
    number = 1
    for batch in batches:
        batch.validate(full=True)
        labels = batch[label].to_pylist() if label else None
        if labels and class_names:
            labels = [class_names.get(value) for value in labels]
        yield Block(range(number, number + len(batch)), batch[content].to_pylist(), labels)
        number += len(batch)


def _columns(schema: pa.Schema, sample: pa.RecordBatch | pa.Table | None) -> dict[str, list[Any]]:
    """Return sampled values of every column; lists and other nested values are left out.

    A column of bytes, which may be large, is not read: an empty value stands for its type.
    """
    heavy = {field.name: [_emptied(field.type)] for field in schema if _holds_bytes(field.type)}
    if sample is None:
        return {name: heavy.get(name, []) for name in schema.names}
    sample.validate(full=True)
    values = {**sample.to_pydict(), **heavy}
    return {name: [v for v in values.get(name, ()) if v is not None] for name in schema.names}


def _holds_bytes(kind: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return any(_holds_bytes(field.type) for field in kind)
    return any(
        test(kind) for test in (types.is_binary, types.is_large_binary, types.is_binary_view)
    )


def _emptied(kind: pa.DataType) -> Any:
    from pyarrow import types

    return {field.name: None for field in kind} if types.is_struct(kind) else b""


def _noted_names(schema: pa.Schema, content: str, label: str | None) -> dict[int, str]:
    """Return the class names that Hugging Face notes in a file of pictures."""
    notes = (schema.metadata or {}).get(b"huggingface")
    if not notes or label is None or not _holds_bytes(schema.field(content).type):
        return {}
    try:
        names = json.loads(notes)["info"]["features"][label]["names"]
    except (ValueError, KeyError, TypeError):
        return {}
    return dict(enumerate(map(str, names)))


def _plain(schema: pa.Schema) -> list[str]:
    from pyarrow import types

    tests = (
        *(types.is_string, types.is_large_string, types.is_string_view),
        *(types.is_integer, types.is_floating, types.is_boolean),
    )

    def is_plain(kind: pa.DataType) -> bool:
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return any(test(kind) for test in tests)

    return [field.name for field in schema if is_plain(field.type)]
