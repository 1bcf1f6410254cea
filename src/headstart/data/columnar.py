"""Reading the chosen columns of Parquet files and saved Hugging Face datasets, in batches."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from headstart.data.block import SAMPLE, Block, Choose
from headstart.data.byte_texts import decoded, text_columns
from headstart.data.lines import chunks
from headstart.data.store import saved
from headstart.data.streams import BROKEN, CHUNK, Meter, Stream, Unreadable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

#: Bytes of a batch that are aimed at, judged by the first row.
_BATCH = 2**26
#: Rows per batch of a small file, which may hold one long value a million times.
_FEW = 64
#: Row groups from which columns are chosen, evenly spread.
_GROUPS = 8


def read_parquet(stream: Stream, choose: Choose, rows: int) -> Iterator[Block]:
    """Read a Parquet file, or one that is packed or in an archive through a temporary copy.

    Class labels that Hugging Face noted come as their names; a negative one is no label. Texts that
    are stored as bytes come as texts.

    Args:
        rows: most rows per batch.
    """
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile() as copy:
        source: IO[bytes] = copy
        if isinstance(stream, io.BufferedReader):  # Parquet is read from its end
            source = stream
        else:
            for chunk in chunks(stream):
                copy.write(chunk)
        size = source.seek(0, os.SEEK_END)
        with pq.ParquetFile(source) as file:
            schema, meter = file.schema_arrow, Meter(size)
            meter.add(sum(map(_stated, map(file.metadata.row_group, range(file.num_row_groups)))))
            rows = min(rows, _FEW) if size < CHUNK else rows
            first = next(file.iter_batches(1), None)
            if first is not None:
                rows = max(1, min(rows, _BATCH // (first.nbytes + 1)))
            names = _noted_names(schema)
            texts = text_columns(
                schema,
                lambda columns, count: next(
                    file.iter_batches(min(rows, count), columns=columns), None
                ),
            )
            sample = _sampled(file, _plain(schema, texts), rows, meter)
            chosen = choose(_columns(schema, sample, names, texts))
            batches = file.iter_batches(rows, columns=_distinct(chosen))
            yield from _blocks(batches, chosen, names, texts)


def read_saved(folder: Path, choose: Choose, rows: int) -> Iterator[Block]:
    """Read a folder that ``Dataset.save_to_disk`` wrote; class labels come as their names.

    Raises:
        Unreadable: the folder is damaged.
    """

    try:
        records = saved(folder).with_format("arrow")
    except Exception:  # the library raises various errors for damaged metadata
        raise Unreadable(BROKEN) from None
    schema = records.data.schema
    names = _class_names(records.features)
    texts = text_columns(
        schema, lambda columns, count: records.select_columns(columns)[:count] if records else None
    )
    plain = records.select_columns(_plain(schema, texts))
    step = max(1, len(records) // SAMPLE)
    spread = range(0, len(records), step)[:SAMPLE]
    chosen = choose(_columns(schema, [plain[list(spread)]] if len(records) else [], names, texts))
    wanted = records.select_columns(_distinct(chosen))
    yield from _blocks(wanted.iter(rows), chosen, names, texts)


def _stated(group: Any) -> int:
    return int(group.total_byte_size)


def _sampled(
    file: pq.ParquetFile, columns: list[str], rows: int, meter: Meter
) -> Iterator[pa.RecordBatch]:
    """Yield batches from the start of row groups, evenly spread, of :data:`SAMPLE` rows in all."""
    groups = file.num_row_groups
    some = sorted({number * groups // _GROUPS for number in range(_GROUPS)}) if groups else []
    for group in some:
        wanted = SAMPLE // len(some)
        for batch in file.iter_batches(min(rows, wanted), row_groups=[group], columns=columns):
            meter.add(batch.nbytes)
            yield batch
            wanted -= len(batch)
            if wanted <= 0:
                break


def _blocks(
    batches: Iterable[pa.RecordBatch | pa.Table],
    chosen: Mapping[str, str],
    class_names: Mapping[str, Sequence[str]],
    texts: Collection[str],
) -> Iterator[Block]:
    number = 1
    for batch in batches:
        batch.validate(full=True)
        found = {}
        for name, column in chosen.items():
            values = _read(batch.column(batch.schema.names.index(column)), column in texts)
            names = class_names.get(column)
            found[name] = [_named(value, names) for value in values] if names else values
        yield Block(range(number, number + len(batch)), found)
        number += len(batch)


def _read(column: pa.Array | pa.ChunkedArray, is_text: bool) -> list[Any]:
    """Return the values of a column as plain ones.

    Decimal numbers, as databases export them, become whole numbers or floats; a float of fewer
    bits becomes the shortest decimal that it stands for, 1.1 and not 1.100000023841858.
    """
    from pyarrow import types

    values: list[Any] = column.to_pylist()
    if is_text:
        return [decoded(value) for value in values]
    if types.is_float32(column.type) or types.is_float16(column.type):
        narrow = column.type.to_pandas_dtype()
        return [x if x is None else float(str(narrow(x))) for x in values]
    if not types.is_decimal(column.type):
        return values
    return [x if x is None else int(x) if x == x.to_integral_value() else float(x) for x in values]


def _named(value: Any, names: Sequence[str]) -> Any:
    """Return the class of a number, or those of a list; None for a number that is no class."""
    if isinstance(value, list):
        return [_named(each, names) for each in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None


def _distinct(chosen: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(chosen.values()))


def _columns(
    schema: pa.Schema,
    sample: Iterable[pa.RecordBatch | pa.Table],
    class_names: Mapping[str, Sequence[str]],
    texts: Collection[str],
) -> dict[str, list[Any]]:
    """Return sampled values of every column; values of unusual types are left out.

    A column of bytes, which may be large, is not read: an empty value represents its type.
    """
    values: dict[str, list[Any]] = {name: [] for name in schema.names}
    for batch in sample:
        batch.validate(full=True)
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            found = _read(column, name in texts)
            values[name] += [value for value in found if value is not None]
    for name, names in class_names.items():
        values[name] = [_named(value, names) for value in values[name]]
    heavy = {
        field.name: [_emptied(field.type)]
        for field in schema
        if holds_bytes(field.type) and field.name not in texts
    }
    return {**values, **heavy}


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


def _noted_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Return the class names in the Hugging Face metadata of a file, by column."""
    if b"huggingface" not in (schema.metadata or {}):
        return {}
    import datasets

    try:
        return _class_names(datasets.Features.from_arrow_schema(schema))
    except Exception:  # the library raises various errors for damaged metadata
        return {}


def _class_names(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the class names of columns of class labels, or of lists of them."""
    found = {column: _names_of(feature) for column, feature in features.items()}
    return {column: names for column, names in found.items() if names}


def _names_of(feature: Any) -> list[str]:
    import datasets

    if isinstance(feature, datasets.ClassLabel):
        return list(map(str, feature.names or ()))
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    return [] if inner is None else _names_of(inner)


def _plain(schema: pa.Schema, byte_texts: Collection[str]) -> list[str]:
    """Return the columns of texts and numbers, and of lists and structs of them.

    Args:
        byte_texts: columns of bytes that hold texts.
    """
    from pyarrow import types

    tests = (
        *(types.is_string, types.is_large_string, types.is_string_view),
        *(types.is_integer, types.is_floating, types.is_decimal, types.is_boolean),
    )

    def is_plain(kind: pa.DataType) -> bool:
        if types.is_struct(kind):
            return all(is_plain(field.type) for field in kind)
        if types.is_dictionary(kind) or _is_list(kind):
            return is_plain(kind.value_type)
        return any(test(kind) for test in tests)

    return [field.name for field in schema if field.name in byte_texts or is_plain(field.type)]


def _is_list(kind: pa.DataType) -> bool:
    from pyarrow import types

    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
