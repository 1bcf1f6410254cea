"""Vectors of records, streamed into one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from headstart.batch import Progress
from headstart.data.store import stream
from headstart.encoders.features import features
from headstart.errors import HeadstartError
from headstart.files import check_ending, clear_beside, whole_file

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.ledger import Ledger
    from headstart.encoders import Encoder
    from headstart.modalities import Processor

#: Records whose vectors are in memory at once.
CHUNK = 8192


def embed(
    encoder: Encoder,
    processor: Processor,
    records: Dataset,
    out: Path,
    *,
    length: int,
    batch_size: int = 32,
    progress: Progress | None = None,
    ledger: Ledger | None = None,
    finish: Callable[[], object] | None = None,
) -> int:
    """Write the pooled vectors (N,D) float32 of ``records``, in order and atomically.

    With the ``ledger`` of their sources, N are the rows of the sources: a row without a record has
    NaN in ``.npy``, and in ``.parquet`` no vector and a ``reason``.

    ``NAME.npy`` is an array (N,D), and ``NAME.ids.txt`` beside it has the ``id`` of one record per
    line, in UTF-8; a line break inside an id is written as the two characters ``\\n``.
    ``NAME.parquet`` has the columns ``id`` (string) and ``vector`` (list of D float32).
    Memory does not grow with N.

    Args:
        length: positions after which a record is truncated, or pixels a side.
        batch_size: see :func:`headstart.encoders.features.features`, which computes in bf16
            where the processor is fast at it.
        progress: called with the number of rows done and the total.
        finish: writes what else lies beside the vectors, before their file gets its name.

    Returns:
        N, the number of vectors written.

    Raises:
        HeadstartError: ``out`` ends otherwise, there are no records, or the disk is full.
    """
    check_out(out)
    if not len(records):
        raise HeadstartError("there are no records to embed; name inputs that hold some.")
    kept = np.ones(len(records), dtype=bool)
    rows: Iterator[tuple[str, str | None]] = ((name, None) for name in stream(records, "id"))
    if ledger is not None and ledger.kept is not None:
        kept = ledger.kept
        rows = ((row.id, row.reason) for row in ledger)
    total, done = len(kept), 0
    with _WRITERS[out.suffix.lower()](out, total, encoder.width, bool(kept.all())) as writer:
        for start in range(0, total, CHUNK):
            has = kept[start : start + CHUNK]
            chunk = records.select(range(done, done + int(has.sum())))
            vectors = np.full((len(has), encoder.width), np.nan, dtype=np.float32)
            if len(chunk):
                vectors[has] = features(
                    encoder, processor, chunk, length=length, batch_size=batch_size
                )
            writer([*islice(rows, len(has))], vectors)
            done += len(chunk)
            if progress:
                progress(start + len(has), total)
        if finish:
            finish()
    return total


def write_vectors(names: Sequence[str], vectors: np.ndarray, out: Path) -> None:
    """Write named vectors (N,D) float32 to a file such as :func:`embed` writes.

    Raises:
        HeadstartError: ``out`` ends otherwise, or the disk is full.
    """
    check_out(out)
    with _WRITERS[out.suffix.lower()](out, len(names), vectors.shape[1], True) as writer:
        for start in range(0, len(names), CHUNK):
            part = slice(start, start + CHUNK)
            writer([(name, None) for name in names[part]], vectors[part])


def vectors_of(
    encoder: Encoder,
    processor: Processor,
    records: Dataset,
    *,
    length: int,
    batch_size: int = 32,
    progress: Progress | None = None,
    ledger: Ledger | None = None,
) -> np.ndarray:
    """Return what :func:`embed` writes, (N,D) float32; NaN where a row has no record."""
    found = features(
        encoder, processor, records, length=length, batch_size=batch_size, progress=progress
    )
    if ledger is None or ledger.kept is None:
        return found
    vectors = np.full((len(ledger.kept), encoder.width), np.nan, dtype=np.float32)
    vectors[ledger.kept] = found
    return vectors


def check_out(out: Path) -> list[Path]:
    """Return what is written beside the vectors at ``out``.

    Of a file of vectors that a killed process did not come to write, they are deleted.

    Raises:
        HeadstartError: vectors cannot be written to a file of this ending.
    """
    check_ending(out, "vectors", list(_WRITERS))
    beside = [sources_of(out), *([ids_of(out)] if out.suffix.lower() == ".npy" else [])]
    clear_beside(out, *beside)
    return beside


def ids_of(out: Path) -> Path:
    """Return the path of the ids beside an array."""
    return out.with_name(out.stem + ".ids.txt")


def sources_of(out: Path) -> Path:
    """Return the path of the file beside vectors that says what they were made from."""
    return out.with_name(f"{out.name}.sources.json")


class _Writer(Protocol):
    """Appends n rows: their ids, why they have no vector or None, and the vectors (n,D)."""

    def __call__(self, rows: list[tuple[str, str | None]], vectors: np.ndarray) -> None: ...


@contextmanager
def _npy(out: Path, total: int, width: int, complete: bool) -> Iterator[_Writer]:
    # The inner file is renamed first, so that vectors never exist without their ids.
    with (
        whole_file(out) as partial,
        whole_file(ids_of(out)) as partial_names,
        open(partial, "wb") as vectors_file,
        open(partial_names, "w", encoding="utf-8", newline="\n") as names_file,
    ):
        header = {"descr": "<f4", "fortran_order": False, "shape": (total, width)}
        np.lib.format.write_array_header_1_0(vectors_file, header)

        def write(rows: list[tuple[str, str | None]], vectors: np.ndarray) -> None:
            vectors_file.write(np.ascontiguousarray(vectors, dtype="<f4").data)
            names_file.writelines(name.replace("\n", "\\n") + "\n" for name, _ in rows)

        yield write


@contextmanager
def _parquet(out: Path, total: int, width: int, complete: bool) -> Iterator[_Writer]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    vector = pa.list_(pa.float32(), width)
    fields = [("id", pa.string()), ("vector", vector)]
    schema = pa.schema(fields if complete else [*fields, ("reason", pa.string())])
    with whole_file(out) as partial, pq.ParquetWriter(partial, schema) as file:

        def write(rows: list[tuple[str, str | None]], vectors: np.ndarray) -> None:
            names, reasons = zip(*rows, strict=True)
            missing = pa.array([reason is not None for reason in reasons])
            flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
            column = pa.FixedSizeListArray.from_arrays(flat, type=vector, mask=missing)
            columns = [pa.array(names, pa.string()), column, pa.array(reasons, pa.string())]
            file.write_table(pa.table(columns[: len(schema)], schema=schema))

        yield write


_WRITERS = {".npy": _npy, ".parquet": _parquet}
