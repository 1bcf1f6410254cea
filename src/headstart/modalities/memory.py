"""Records in memory (lists, arrays, frames, data sets) as files, which are read like any other."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.columns import LABEL
from headstart.errors import HeadstartError
from headstart.files import whole_file, whole_folder
from headstart.modalities import MODALITIES
from headstart.modalities.inline import names_file

if TYPE_CHECKING:
    import pyarrow as pa

#: Half of a character of UTF-16, as a broken file leaves it.
_HALF = re.compile("[\ud800-\udfff]")
_EMPTY = "the records in memory are empty; give one or more."
TAKEN = (
    "give the name of a file, a list of records, a frame, a datasets.Dataset, "
    "or an array of pictures (N,H,W,C)"
)


def sources_of(given: Any, folder: Path, name: str = "records") -> list[str]:
    """Return the sources that an argument stands for, see :func:`source_of`.

    Args:
        given: one source or several: a list of names, of sets of records, or of single records.
            A list of texts that stands for one source is a list in a list.
        folder: where records are stored.
        name: of the files, such as that of the argument; those of a second source are numbered.
    """
    if not isinstance(given, list | tuple):
        return [source_of(given, folder, name)]
    if all(map(_is_record, given)):
        return [source_of(given, folder, name)]
    found: list[str] = []
    for number, one in enumerate(given, start=1):
        is_names = isinstance(one, list | tuple) and one and all(map(_is_name, one))
        own = name if number == 1 else f"{name}-{number}"
        found += map(os.fspath, one) if is_names else [source_of(one, folder, own)]
    return found


def source_of(value: Any, folder: Path, name: str = "records") -> str:
    """Return the source that a value stands for; records in memory are stored in ``folder``.

    Args:
        value: a name or path; or records: a list of texts or pictures, an array of pictures
            (N,H,W) or (N,H,W,C), a frame of pandas or polars or any object with
            ``__arrow_c_stream__`` or ``__dataframe__``, a ``datasets.Dataset``, a list of rows
            ``{"text": ..., "label": ...}``, such columns in one dictionary, or
            ``(records, labels)``.
        folder: created when it is needed. A file lies in a folder that is named by its content.
        name: of the file, with which ids begin, as in ``records.parquet:3``.

    Raises:
        HeadstartError: the value is none of these.
    """
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    return stored(value, folder, name)


def _is_record(value: Any) -> bool:
    """Return whether a value is a single record: a row of plain values, or such as a picture."""
    if type(value) is dict:
        return not any(isinstance(cell, list | tuple | np.ndarray) for cell in value.values())
    is_several = isinstance(value, str | os.PathLike | np.ndarray)
    return not is_several and _object(value) is not None


def stored(records: Any, folder: Path, name: str = "records") -> str:
    """Write records in memory to a file, and return its path; see :func:`source_of`."""
    library = sys.modules.get("datasets")
    if library and isinstance(records, library.DatasetDict):
        splits = ", ".join(map(repr, list(records)[:10]))
        raise HeadstartError(f"a DatasetDict holds several data sets; name one of {splits}.")
    if library and isinstance(records, library.Dataset):
        if not len(records):
            raise HeadstartError(_EMPTY)
        path = folder / f"given-{records._fingerprint}" / name
        if not path.exists():
            with whole_folder(path) as unfinished, _without_bars(library):
                records.save_to_disk(str(unfinished))
        return str(path)
    frame = _frame(records)
    if frame is not None:
        if not frame.num_rows:
            raise HeadstartError(_EMPTY)
        return _parquet(frame, folder, name)
    columns = _columns(records)
    counts = {column: len(values) for column, values in columns.items()}
    if len(set(counts.values())) != 1 or not min(counts.values()):
        told = ", ".join(f"{count:,} of {column!r}" for column, count in counts.items())
        raise HeadstartError(
            f"records in memory need equally many values in each column, and one or more ({told}); "
            "give one label for each record."
        )
    if any(np.ndim(values) > 2 for values in columns.values() if isinstance(values, np.ndarray)):
        arrays: dict[str, Any] = {key: np.asarray(values) for key, values in columns.items()}
        return _written(lambda file: np.savez(file, **arrays), folder, f"{name}.npz")

    import pyarrow as pa

    table = pa.table({column: _array(values) for column, values in columns.items()})
    return _parquet(table, folder, name)


@contextmanager
def _without_bars(library: Any) -> Iterator[None]:
    """Copying records is internal; bars are for the user's own steps."""
    shown = not library.are_progress_bars_disabled()
    library.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            library.enable_progress_bars()


def _is_name(value: Any) -> bool:
    return isinstance(value, os.PathLike) or (isinstance(value, str) and names_file(value))


def _frame(records: Any) -> pa.Table | None:
    """Return a frame, or rows, as a table, without the index of pandas; None for anything else."""
    import pyarrow as pa

    if isinstance(records, list) and records and type(records[0]) is dict:
        if others := [type(row).__name__ for row in records if type(row) is not dict]:
            raise HeadstartError(
                f"records in memory cannot be rows and {others[0]}; give rows alone."
            )
        rows = [{str(name): value for name, value in row.items()} for row in records]
        names = dict.fromkeys(name for row in rows for name in row)
        return pa.table({name: _array([row.get(name) for row in rows]) for name in names})
    is_frame = hasattr(records, "columns") or hasattr(records, "schema")
    try:
        if is_frame and hasattr(records, "__arrow_c_stream__"):
            table = pa.table(records)
        elif hasattr(records, "__dataframe__"):
            from pyarrow.interchange import from_dataframe

            table = from_dataframe(records)
        else:
            return None
    # Columns of several types, of objects, or of numbers beyond 64 bits.
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        if not hasattr(records, "columns"):
            raise
        _check_distinct(records.columns)
        return pa.table({str(name): _array(list(records[name])) for name in records.columns})
    index = [name for name in table.column_names if re.fullmatch(r"__index_level_\d+__", name)]
    return table.drop_columns(index)


def _check_distinct(names: Iterable[Any]) -> None:
    """Refuse a frame with two columns of a name, of which one would be taken at random."""
    doubled = [name for name, count in Counter(map(str, names)).items() if count > 1]
    if doubled:
        raise HeadstartError(
            f"the frame has several columns of the name {doubled[0]!r}; give each its own."
        )


def _array(values: Sequence[Any] | np.ndarray) -> pa.Array:
    """Return a column; values of several types become texts, as in a .csv file."""
    import pyarrow as pa

    storable = [_whole(value) if isinstance(value, str) else value for value in _storable(values)]
    try:
        return pa.array(storable, from_pandas=True)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if _is_missing(one) else _whole(str(one)) for one in storable])


def _is_missing(value: Any) -> bool:
    """Return whether a value stands for none: None, and what pandas and NumPy write for it."""
    import pyarrow as pa

    if isinstance(value, np.generic):
        return bool(value != value)
    try:
        return not isinstance(value, str) and pa.array([value], from_pandas=True).null_count > 0
    except (pa.ArrowException, OverflowError):
        return False


def _whole(text: str) -> str:
    """Return a text without halves of characters, which no file can hold."""
    return text if text.isascii() else _HALF.sub("\N{REPLACEMENT CHARACTER}", text)


def _columns(records: Any) -> dict[str, Any]:
    """Return bare records, with labels or without, as columns by name."""
    if isinstance(records, Mapping):
        return {str(name): _sequence(values) for name, values in records.items()}
    labeled = isinstance(records, tuple) and len(records) == 2 and not isinstance(records[1], str)
    if labeled and not isinstance(records[0], str):
        values, labels = map(_sequence, records)
        return {_field_of(values): values, LABEL.name: labels}
    values = _sequence(records)
    return {_field_of(values): values}


def _sequence(values: Any) -> Sequence[Any] | np.ndarray:
    """Return a column as a list, or as an array where it has more than one axis."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise HeadstartError(f"{type(values).__name__} is no collection of records; {TAKEN}.")
    if isinstance(values, Set):
        raise HeadstartError("a set has no order; give the records as a list.")
    if isinstance(values, Mapping):  # from row to value, as pandas writes a column with `to_dict`
        values = values.values()
    if hasattr(values, "__array__") and not hasattr(values, "to_list"):
        values = _numpy(values)
        if not values.ndim:
            raise HeadstartError(f"a single value is no collection of records; {TAKEN}.")
        return values if values.ndim > 1 else values.tolist()
    found = list(values)
    shapes = {value.shape for value in found if isinstance(value, np.ndarray)}
    if len(shapes) == 1 and all(isinstance(value, np.ndarray) for value in found):
        return np.stack(found)
    return found


def _numpy(values: Any) -> np.ndarray:
    """Return an array of NumPy; a tensor of torch may need a gradient, or have no type of it."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() else values
    return np.asarray(values)


def _field_of(values: Sequence[Any] | np.ndarray) -> str:
    """Return the name of the field that bare records are: that of the first kind to take them."""
    known = (one for one in values if isinstance(one, str | np.ndarray) or not _is_missing(one))
    sample = next(known, None)
    if isinstance(sample, bytes):
        return _field_of_files([value for value in values if isinstance(value, bytes)])
    found = _object(sample)
    if sample is None:
        only = " but for None or NaN" if len(values) else ""
        raise HeadstartError(_EMPTY.replace(";", f"{only};"))
    if found is None:
        what = type(sample).__name__
        if isinstance(values, np.ndarray):
            what = f"an array {values.shape}"
        raise HeadstartError(f"records in memory cannot be {what}; {TAKEN}.")
    return found[0]


def _field_of_files(values: Sequence[bytes]) -> str:
    """Return the field that files in memory are: that of the kind which most of them begin like.

    Where none begins like a file of any kind, it is that of the first kind that has files.

    Raises:
        HeadstartError: as many begin like one kind as like another.
    """
    found = [
        (sum(map(kind.content.begins, values)), kind.content)
        for _, kind in MODALITIES.items()
        if kind.content.begins
    ]
    (most, first), *others = sorted(found, key=lambda each: -each[0])
    if most and others and others[0][0] == most:
        raise HeadstartError(
            f"as many of the records in memory are {first.noun} as {others[0][1].noun}; give those "
            "of one kind."
        )
    return first.fields[0].name


def _storable(values: Sequence[Any] | np.ndarray) -> list[Any]:
    """Return the values of a column, with what a file holds in the place of objects."""
    plain = (str, int, float)
    found = [
        None if value is None or isinstance(value, plain) else _object(value) for value in values
    ]
    return [value if one is None else one[1] for value, one in zip(values, found, strict=True)]


def _object(value: Any) -> tuple[str, Any] | None:
    """Return the field that an object is the value of, and what a file holds in its place."""
    for _, kind in MODALITIES.items():
        content = kind.content
        stored = content.of_object(value) if content.of_object else None
        if stored is not None:
            return content.fields[0].name, stored
    return None


def _parquet(table: pa.Table, folder: Path, name: str) -> str:
    import pyarrow.parquet as pq

    return _written(partial(pq.write_table, table), folder, f"{name}.parquet")


def _written(write: Callable[[Any], None], folder: Path, name: str) -> str:
    """Write a file into a folder that is named by its content, and return its path."""
    # Its place is not known before its content, and others may write into the folder as well.
    unnamed = folder / f"given-{secrets.token_hex(8)}-{name}"
    with whole_file(unnamed) as partial_file:
        with open(partial_file, "wb") as file:
            write(file)
        with open(partial_file, "rb") as file:
            digest = hashlib.file_digest(file, "blake2b").hexdigest()[:12]
    path = folder / f"given-{digest}" / name
    path.parent.mkdir(exist_ok=True)
    os.replace(unnamed, path)
    return str(path)
