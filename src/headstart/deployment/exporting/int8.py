"""Graphs in 8 bits: weights, and the numbers that they are multiplied by.

Networks of matrix products measure the range of their inputs at every call (dynamic). For
convolutions that is slower than float32: theirs are measured on the user's records once (static).

Weights of products are unsigned, and those of convolutions have 7 bits: on processors without VNNI
sums of others overflow. What would not survive 8 bits is parted from the rest before
(:mod:`headstart.deployment.exporting.outliers`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.survey import spread
from headstart.deployment.exporting.onnx_graph import VECTORS, quietly
from headstart.deployment.exporting.outliers import Products, drop_unused, round_tables
from headstart.files import scratch

if TYPE_CHECKING:
    from headstart.deployment.exporting import Source
    from headstart.modalities.portable import Portable

#: Records by which ranges are measured.
CALIBRATED = 128
_BATCH = 16
#: Type of what shape inference does not know the type of: FLOAT.
_FLOAT = {"DefaultTensorType": 1}


def rounded_graph(source: Source, portable: Portable, file: Path) -> None:
    """Replace a float32 graph by one in 8 bits; what follows its vectors, the head, stays."""
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    model = onnx.load(str(file))
    # Fused operators make shapes that were inferred before them wrong.
    del model.graph.value_info[:]
    _name_nodes(model)
    kept = _after_vectors(model)
    feeds = list(_feeds(source, portable))
    with tempfile.TemporaryDirectory(dir=scratch()) as folder, quietly():
        plain, made = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        if any(node.op_type == "Conv" for node in model.graph.node):
            onnx.save(model, str(plain))
            quantize_static(
                str(plain),
                str(made),
                _Reader(feeds),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,  # 7 bits: the same on processors without VNNI
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=kept,
                extra_options=_FLOAT,
            )
        else:
            floats = [*kept, *round_tables(model, set(kept))]
            products = Products(model, feeds, set(kept))
            products.smooth()
            floats += products.part()
            drop_unused(model)
            onnx.save(model, str(plain))
            quantize_dynamic(
                str(plain),
                str(made),
                op_types_to_quantize=["MatMul", "Gemm"],
                per_channel=True,
                weight_type=QuantType.QUInt8,
                nodes_to_exclude=floats,
                extra_options=_FLOAT,
            )
        file.write_bytes(made.read_bytes())


class _Reader:
    """The inputs by which ONNX Runtime measures ranges, one batch after another."""

    def __init__(self, feeds: list[dict[str, np.ndarray]]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the inputs of a further batch; None after the last."""
        return next(self._feeds, None)


def _feeds(source: Source, portable: Portable) -> Iterator[dict[str, np.ndarray]]:
    """Yield the inputs of an even sample of the records."""
    some = source.records.select(spread(len(source.records), CALIBRATED))
    for start in range(0, len(some), _BATCH):
        chunk = some.select(range(start, min(start + _BATCH, len(some))))
        yield portable.inputs(source.processor.collate(chunk, source.length))


def _name_nodes(model: Any) -> None:
    """Give every node a name of its own, by which it can be left out."""
    for number, node in enumerate(model.graph.node):
        node.name = f"node_{number}"


def _after_vectors(model: Any) -> list[str]:
    """Return the names of the nodes that depend on the vectors: those of the head."""
    reached, names = {VECTORS}, []
    for node in model.graph.node:  # in the order in which they are computed
        if reached & set(node.input):
            reached |= set(node.output)
            names.append(node.name)
    return names
