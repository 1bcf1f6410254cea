"""Vectors of records, streamed into one file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from headstart.batch import Progress
from headstart.errors import HeadstartError
from headstart.evaluation.features import features
from headstart.files import check_ending, whole_file

if TYPE_CHECKING:
    from datasets import Dataset

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
) -> int:
    """Write the pooled vectors (N,D) float32 of ``records``, in order and atomically.

    ``NAME.npy`` is an array (N,D), and ``NAME.ids.txt`` beside it has the ``id`` of one record per
    line, in UTF-8; a line break inside an id is written as the two characters ``\\n``.
    ``NAME.parquet`` has the columns ``id`` (string) and ``vector`` (list of D float32).
    Memory does not grow with N.

    Args:
        length: positions after which a record is truncated, or pixels a side.
        batch_size: see :func:`headstart.evaluation.features.features`, which computes in bf16
            where the processor is fast at it.
        progress: called with the number of records done and the total.

    Returns:
        N, the number of vectors written.

    Raises:
        HeadstartError: ``out`` ends otherwise, there are no records, or the disk is full.
    """
    check_out(out)
    total = len(records)
    if not total:
        raise HeadstartError("there are no records to embed; name inputs that hold some.")
    with _WRITERS[out.suffix.lower()](out, total, encoder.width) as writer:
        for start in range(0, total, CHUNK):
            chunk = records.select(range(start, min(start + CHUNK, total)))
            vectors = features(encoder, processor, chunk, length=length, batch_size=batch_size)
            writer([str(name) for name in chunk["id"]], vectors)
            if progress:
                progress(start + len(chunk), total)
    return total


def check_out(out: Path) -> list[Path]:
    """Return what is written beside the vectors at ``out``.

    Raises:
        HeadstartError: vectors cannot be written to a file of this ending.
    """
    check_ending(out, "vectors", list(_WRITERS))
    return [ids_of(out)] if out.suffix.lower() == ".npy" else []


def ids_of(out: Path) -> Path:
    """Return the path of the ids beside an array."""
    return out.with_name(out.stem + ".ids.txt")


class _Writer(Protocol):
    """Appends the vectors (n,D) of n records."""

    def __call__(self, ids: list[str], vectors: np.ndarray) -> None: ...


@contextmanager
def _npy(out: Path, total: int, width: int) -> Iterator[_Writer]:
    names = ids_of(out)
    # The inner file is renamed first, so that vectors never exist without their ids.
    with (
        whole_file(out) as partial,
        whole_file(names) as partial_names,
        open(partial, "wb") as vectors_file,
        open(partial_names, "w", encoding="utf-8", newline="\n") as names_file,
    ):
        header = {"descr": "<f4", "fortran_order": False, "shape": (total, width)}
        np.lib.format.write_array_header_1_0(vectors_file, header)

        def write(ids: list[str], vectors: np.ndarray) -> None:
            vectors_file.write(np.ascontiguousarray(vectors, dtype="<f4").data)
            names_file.writelines(name.replace("\n", "\\n") + "\n" for name in ids)

        yield write


@contextmanager
def _parquet(out: Path, total: int, width: int) -> Iterator[_Writer]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    vector = pa.list_(pa.float32(), width)
    schema = pa.schema([("id", pa.string()), ("vector", vector)])
    with whole_file(out) as partial, pq.ParquetWriter(partial, schema) as file:

        def write(ids: list[str], vectors: np.ndarray) -> None:
            flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
            column = pa.FixedSizeListArray.from_arrays(flat, type=vector)
            file.write_table(pa.table([pa.array(ids, pa.string()), column], schema=schema))

        yield write


_WRITERS = {".npy": _npy, ".parquet": _parquet}
