"""What is left in floats so that the rest fits 8 bits: a few channels, and a scale for each row.

A few channels of a transformer's inputs are many times as large as the others, and one scale for
all would leave the others few of 256 steps. Two remedies are taken together, since neither alone
keeps the nearest records (``docs/log.md``):

- where a product widens or keeps its input, half of the difference between channels is moved into
  the weights (SmoothQuant, Xiao et al. 2022, equation 4 with alpha 0.5,
  https://arxiv.org/abs/2211.10438);
- of every product the channels that are largest then are multiplied in float32, beside the others
  (LLM.int8(), Dettmers et al. 2022, section 3, https://arxiv.org/abs/2208.07339).

The table of token vectors gets a scale for each row, as rows of frequent tokens are small.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from headstart.deployment.exporting.onnx_graph import session_of
from headstart.files import scratch

#: One in so many channels stays in float32, and no fewer than these.
SHARE, FEWEST = 24, 8
#: Fewest numbers of a table that is worth rounding.
_TABLE = 4096
_MOST = 127

Feeds = list[dict[str, np.ndarray]]


class Products:
    """The products of a graph with constant weights (K,N), and how large their inputs become.

    Args:
        model: changed in place.
        feeds: inputs of the graph by which sizes are measured.
        kept: names of nodes that stay as they are.
    """

    def __init__(self, model: Any, feeds: Feeds, kept: set[str]) -> None:
        self.model = model
        constants = {each.name: each for each in model.graph.initializer}
        self.nodes = [
            node
            for node in model.graph.node
            if node.op_type == "MatMul"
            and node.name not in kept
            and node.input[1] in constants
            and len(constants[node.input[1]].dims) == 2
        ]
        self._constants = constants
        names = sorted({node.input[0] for node in self.nodes})
        self.largest = _largest(model, names, feeds) if names else {}
        self.nodes = [node for node in self.nodes if node.input[0] in self.largest]

    def smooth(self) -> None:
        """Even out the channels of inputs whose products do not narrow them."""
        from onnx import helper

        made: list[Any] = []
        for name in list(self.largest):
            own = [node for node in self.nodes if node.input[0] == name]
            tables = [self.weights(node) for node in own]
            if any(table.shape[0] > table.shape[1] for table in tables):
                continue
            heaviest = np.max([np.abs(table).max(1) for table in tables], axis=0)
            scale = np.sqrt(np.maximum(self.largest[name], 1e-5) / np.maximum(heaviest, 1e-5))
            scale = np.maximum(scale / np.exp(np.log(scale).mean()), 1e-2).astype(np.float32)
            smooth = f"{name}_smooth"
            self._add(f"{smooth}_by", 1 / scale)
            made.append(helper.make_node("Mul", [name, f"{smooth}_by"], [smooth], f"{smooth}_mul"))
            self.largest[smooth] = self.largest.pop(name) / scale
            for node, table in zip(own, tables, strict=True):
                self._add(f"{node.name}_smooth", table * scale[:, None])
                node.input[0], node.input[1] = smooth, f"{node.name}_smooth"
        self._insert(
            lambda node: [each for each in made if each.input[0] in node.output], after=True
        )

    def part(self) -> list[str]:
        """Multiply the largest channels apart; return the names of their products."""
        from onnx import helper

        before: dict[str, list[Any]] = {}
        after: dict[str, list[Any]] = {}
        apart = []
        for node in self.nodes:
            source, name, found = node.input[0], node.name, node.output[0]
            largest, table = self.largest[source], self.weights(node)
            count = max(FEWEST, len(largest) // SHARE)
            if count * 2 > len(largest):
                continue
            chosen = np.sort(np.argsort(-largest)[:count])
            others = np.ones(len(largest), np.float32)
            others[chosen] = 0
            self._add(f"{name}_others", others)
            self._add(f"{name}_chosen", chosen.astype(np.int64))
            # Kept in 16 bits, and made floats once, when a session opens the graph.
            self._add(f"{name}_half", table[chosen].astype(np.float16))
            rest, few, beside = f"{name}_rest", f"{name}_few", f"{name}_beside"
            taken = [source, f"{name}_chosen"]
            before[name] = [
                helper.make_node("Mul", [source, f"{name}_others"], [rest], f"{rest}_of"),
                helper.make_node("Gather", taken, [few], f"{few}_of", axis=-1),
                helper.make_node("Cast", [f"{name}_half"], [f"{name}_chosen_weights"], to=1),
                helper.make_node(
                    "MatMul", [few, f"{name}_chosen_weights"], [beside], f"{name}_apart"
                ),
            ]
            node.input[0], node.output[0] = rest, f"{name}_main"
            sums = [f"{name}_main", beside]
            after[name] = [helper.make_node("Add", sums, [found], f"{name}_sum")]
            apart += [f"{name}_apart", f"{few}_of"]
        self._insert(lambda node: before.get(node.name, []), after=False)
        self._insert(lambda node: after.get(node.name, []), after=True)
        return apart

    def weights(self, node: Any) -> np.ndarray:
        """Return the constant weights (K,N) of a product."""
        from onnx import numpy_helper

        found: np.ndarray = numpy_helper.to_array(self._constants[node.input[1]])
        return found

    def _add(self, name: str, values: np.ndarray) -> None:
        _add(self.model, name, values)
        self._constants[name] = self.model.graph.initializer[-1]

    def _insert(self, beside: Callable[[Any], list[Any]], *, after: bool) -> None:
        """Put nodes before or after each node of the graph."""
        _insert(self.model, beside, after=after)
        named = {node.name: node for node in self.model.graph.node}
        self.nodes = [named[node.name] for node in self.nodes]


def round_tables(model: Any, kept: set[str]) -> list[str]:
    """Replace tables of vectors by int8 with a scale for each row; return the nodes that read."""
    from onnx import TensorProto, helper, numpy_helper

    constants = {each.name: each for each in model.graph.initializer}
    new: dict[str, list[Any]] = {}
    names = []
    for node in model.graph.node:
        table = constants.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or len(table.dims) != 2 or node.name in kept:
            continue
        if table.data_type != TensorProto.FLOAT or table.dims[0] * table.dims[1] < _TABLE:
            continue
        values, name, found = numpy_helper.to_array(table), node.name, node.output[0]
        scales = np.maximum(np.abs(values).max(1, keepdims=True), 1e-12) / _MOST
        _add(model, f"{name}_rows", np.rint(values / scales).astype(np.int8))
        _add(model, f"{name}_scales", scales.astype(np.float32))
        ids = node.input[1]
        new[name] = [
            helper.make_node("Cast", [f"{name}_small"], [f"{name}_float"], f"{name}_cast", to=1),
            helper.make_node("Gather", [f"{name}_scales", ids], [f"{name}_by"], f"{name}_scale"),
            helper.make_node("Mul", [f"{name}_float", f"{name}_by"], [found], f"{name}_mul"),
        ]
        node.input[0], node.output[0] = f"{name}_rows", f"{name}_small"
        names += [name, f"{name}_scale"]
    _insert(model, lambda node: new.get(node.name, []), after=True)
    return names


def drop_unused(model: Any) -> None:
    """Delete the constants that no node reads any more."""
    used = {name for node in model.graph.node for name in node.input}
    used |= {each.name for each in model.graph.output}
    left = []
    for each in model.graph.initializer:
        if each.name in used:
            copy = type(each)()
            copy.CopyFrom(each)
            left.append(copy)
    del model.graph.initializer[:]
    model.graph.initializer.extend(left)


def _add(model: Any, name: str, values: np.ndarray) -> None:
    from onnx import numpy_helper

    model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))


def _insert(model: Any, beside: Callable[[Any], list[Any]], *, after: bool) -> None:
    nodes = []
    for node in model.graph.node:
        copy = type(node)()
        copy.CopyFrom(node)
        nodes += [copy, *beside(node)] if after else [*beside(node), copy]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _largest(model: Any, names: list[str], feeds: Feeds) -> dict[str, np.ndarray]:
    """Return the largest absolute value of each channel (the last dimension) of tensors."""
    import onnx

    inputs = {each.name for each in model.graph.input}
    names = [name for name in names if name not in inputs]
    seen = onnx.ModelProto()
    seen.CopyFrom(model)
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
