"""Graphs in 8 bits: weights, and the numbers that they are multiplied by.

Networks of matrix products measure the range of their inputs at every call (dynamic); convolutions,
for which that is slower than float32, have ranges that were measured on the user's records (static).

A few channels of a transformer's inputs are many times as large as the others, and one scale for
all would leave the others few of 256 steps. So half of the difference is moved into the weights
first (SmoothQuant, Xiao et al. 2022, equation 4 with alpha 0.5, https://arxiv.org/abs/2211.10438).
Weights are unsigned, since processors without VNNI let sums of signed ones overflow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.survey import spread
from headstart.deployment.exporting.onnx_graph import VECTORS, quietly, session_of
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
            _smooth(model, feeds, set(kept))
            onnx.save(model, str(plain))
            quantize_dynamic(
                str(plain),
                str(made),
                op_types_to_quantize=["MatMul", "Gemm", "Gather"],
                per_channel=True,
                weight_type=QuantType.QUInt8,
                nodes_to_exclude=kept,
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


def _smooth(model: Any, feeds: list[dict[str, np.ndarray]], kept: set[str]) -> None:
    """Even out the channels of what is multiplied by constant weights, in place."""
    from onnx import helper, numpy_helper

    constants = {each.name: each for each in model.graph.initializer}
    products = [
        node
        for node in model.graph.node
        if node.op_type == "MatMul" and node.input[1] in constants and node.name not in kept
    ]
    if not products:
        return
    reach = _largest(model, sorted({node.input[0] for node in products}), feeds)
    made: dict[str, str] = {}
    for name, largest in reach.items():
        own = [node for node in products if node.input[0] == name]
        tables = [numpy_helper.to_array(constants[node.input[1]]) for node in own]
        if any(table.ndim != 2 for table in tables):
            continue
        heaviest = np.max([np.abs(table).max(1) for table in tables], axis=0)
        scale = np.sqrt(np.maximum(largest, 1e-5) / np.maximum(heaviest, 1e-5))
        scale = np.maximum(scale / np.exp(np.log(scale).mean()), 1e-2).astype(np.float32)
        divisor = numpy_helper.from_array((1 / scale).astype(np.float32), f"{name}_smoothing")
        model.graph.initializer.append(divisor)
        made[name] = f"{name}_smooth"
        for node, table in zip(own, tables, strict=True):
            weights = numpy_helper.from_array(table * scale[:, None], f"{node.name}_weights")
            model.graph.initializer.append(weights)
            node.input[0], node.input[1] = made[name], weights.name
    _insert(model, made, helper)
    used = {name for node in model.graph.node for name in node.input}
    left = [each for each in model.graph.initializer if each.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(left)


def _insert(model: Any, made: dict[str, str], helper: Any) -> None:
    """Put the division of a channel by its scale right behind the node that it comes from."""
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        for name in node.output:
            if name in made:
                scaled = [name, f"{name}_smoothing"]
                nodes.append(helper.make_node("Mul", scaled, [made[name]], f"{name}_scaled"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _largest(
    model: Any, names: list[str], feeds: list[dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Return the largest absolute value of each channel (the last dimension) of tensors."""
    import onnx

    seen = onnx.ModelProto()
    seen.CopyFrom(model)
    inputs = {each.name for each in model.graph.input}
    names = [name for name in names if name not in inputs]
    for name in names:
        seen.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    found: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        file = Path(folder) / "seen.onnx"
        onnx.save(seen, str(file))
        session = session_of(file)
        for feed in feeds:
            for name, value in zip(names, session.run(names, feed), strict=True):
                most = np.abs(value).reshape(-1, value.shape[-1]).max(0)
                found[name] = np.maximum(found.get(name, 0), most)
    return found
