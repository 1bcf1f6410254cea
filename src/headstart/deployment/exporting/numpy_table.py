"""The format ``numpy``: a static encoder as the table that it is, read by numpy alone.

A mean of rows needs no runtime: on batches it is several times as fast as the same in ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.deployment.exporting import Format, Outputs, Source, Written
from headstart.deployment.exporting.onnx_head import HEAD_CODE, head_runner, write_head_graph
from headstart.encoders.flat_table import FlatTable
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.portable import Portable

TABLE, SCALES = "table.npy", "scales.npy"
_BATCH = 256
_CODE = f"""\
table = np.load(HERE / "{TABLE}", mmap_mode="r")
inputs = read(values)
ids, mask = inputs["input_ids"], inputs["attention_mask"].astype(np.float32)
SCALED
total = np.einsum("btd,bt->bd", table[ids].astype(np.float32), weights)
vectors = total / np.maximum(mask.sum(1, keepdims=True), 1)
UNIT
"""
_PLAIN = "weights = mask"
_ROUNDED = f'weights = mask * np.load(HERE / "{SCALES}")[ids]'
_UNIT = "vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)"


def write(source: Source, folder: Path) -> Written:
    """Write ``table.npy`` in float32."""
    return _write(source, folder, _table_of(source))


def write_int8(source: Source, folder: Path) -> Written:
    """Write ``table.npy`` in int8, and a scale for each row in ``scales.npy``."""
    return _write(source, folder, _table_of(source).rounded())


def _table_of(source: Source) -> FlatTable:
    table = source.encoder.exportable()
    if not isinstance(table, FlatTable):
        raise HeadstartError(
            "the format numpy is for encoders that are one table of vectors, such as light, and "
            "this one is a network; take --format onnx."
        )
    return table


def _write(source: Source, folder: Path, table: FlatTable) -> Written:
    portable = source.processor.portable(folder, source.length)
    np.save(folder / TABLE, table.rows.numpy())
    if table.scales is not None:
        np.save(folder / SCALES, table.scales.numpy())
    code = _CODE.replace("SCALED", _PLAIN if table.scales is None else _ROUNDED)
    code = code.replace("UNIT\n", f"{_UNIT}\n" if table.normalize else "")
    write_head_graph(source, folder)
    has_head = source.head is not None
    return Written(
        run=_runner(source, portable, table, folder),
        packages=("numpy", *(["onnxruntime"] if has_head else []), *portable.packages),
        imports=("import onnxruntime",) if has_head else (),
        code=code + (HEAD_CODE if has_head else "scores = None\n"),
        reading=portable,
    )


def _runner(
    source: Source, portable: Portable, table: FlatTable, folder: Path
) -> Callable[[Dataset], Outputs]:
    rows = np.load(folder / TABLE, mmap_mode="r")
    scales = None if table.scales is None else np.load(folder / SCALES)
    score = head_runner(source, folder)

    def run(records: Dataset) -> Outputs:
        vectors = np.zeros((len(records), source.encoder.width), np.float32)
        for indices, batch in source.processor.batches(records, source.length, _BATCH):
            ids, mask = (each.astype(np.int64) for each in portable.inputs(batch).values())
            weights = mask.astype(np.float32) * (1.0 if scales is None else scales[ids])
            total = np.einsum("btd,bt->bd", rows[ids].astype(np.float32), weights)
            found = total / np.maximum(mask.sum(1, keepdims=True), 1)
            if table.normalize:
                found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
            vectors[indices] = found
        return Outputs(vectors, score(vectors))

    return run


FORMAT = Format(
    "A table of vectors for numpy alone, of encoders that are one.", write, quantize=write_int8
)
