"""An encoder and its head as one ONNX graph, with the fused operators of ONNX Runtime.

``torch.onnx.export`` traces the steps of a batch of two; dimensions that may vary have names. The
fusions are those of ``transformers.exporters``: norms with their residual sums, activations with
their biases, projections of one input side by side.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.deployment.exporting import Outputs, Source
from headstart.encoders import TokenEncoder
from headstart.errors import HeadstartError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.modalities.portable import Portable

#: What the packages of the extra do not have.
MISSING = "exports to ONNX need the extra `export`: pip install headstart[export]"
VECTORS, SCORES = "vectors", "scores"
#: Records in a batch of the session.
BATCH = 32


class Graph(nn.Module):
    """From the inputs of an export to vectors (B,D), and to scores (B,K) where there is a head."""

    def __init__(self, network: nn.Module, head: nn.Module | None, portable: Portable) -> None:
        super().__init__()
        self.network, self.head = network, head
        self._names = dict(portable.tensors)

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the outputs for inputs in the order of ``portable.tensors``."""
        batch = dict(zip(self._names.values(), inputs, strict=True))
        if "mask" in batch:
            batch["mask"] = batch["mask"].bool()
        vectors = self.network(batch)
        return vectors if self.head is None else (vectors, self.head(vectors))


def example_of(source: Source) -> Batch:
    """Return a batch of two records, of which one is longer where they can differ."""
    count = min(len(source.records), 8)
    batch = source.processor.collate(source.records.select(range(count)), source.length)
    batch = {name: each[:2] for name, each in batch.items()}
    return {name: each.repeat(2, *[1] * (each.dim() - 1))[:2] for name, each in batch.items()}


def write_graph(
    source: Source, portable: Portable, file: Path, network: nn.Module | None = None
) -> None:
    """Write encoder and head as a graph with the inputs of ``portable``.

    Args:
        network: in place of the encoder, such as one in int8.

    Raises:
        HeadstartError: a package is missing, or the network has steps that depend on values.
    """
    check_packages()
    network = source.encoder.exportable() if network is None else network
    head = None if source.head is None else source.head.network.eval()
    graph = Graph(network.eval(), head, portable).eval()
    inputs = portable.inputs(example_of(source))
    outputs = [VECTORS] if head is None else [VECTORS, SCORES]
    shapes = _shapes(source, portable, list(inputs))
    values = tuple(_at_least_two(torch.from_numpy(each)) for each in inputs.values())
    program = exported(graph, values, (shapes,), list(inputs), outputs)
    save(program.model, file)
    _check_varying(file, shapes)


def exported(
    network: nn.Module,
    values: tuple[Tensor, ...],
    shapes: tuple[Any, ...],
    inputs: list[str],
    outputs: list[str],
) -> Any:
    """Return a network as torch's ONNX program.

    Raises:
        HeadstartError: it has steps that depend on values, or that ONNX does not have.
    """
    with quietly(), torch.no_grad():
        try:
            return torch.onnx.export(
                network,
                values,
                input_names=inputs,
                output_names=outputs,
                dynamic_shapes=shapes,
                dynamo=True,
                verbose=False,
            )
        except Exception as error:
            raise HeadstartError(
                f"this network has no ONNX form ({_reason(error)}); take another --format, or "
                "another encoder."
            ) from error


def save(model: Any, file: Path) -> None:
    """Write a graph, fused as far as ONNX Runtime has operators for it."""
    import onnx_ir
    from transformers.exporters.onnxruntime_fusions import fuse_for_onnxruntime

    with quietly():
        fuse_for_onnxruntime(model, "cpu")
    onnx_ir.save(model, file)


def check_packages() -> None:
    """Refuse to begin without the packages of the extra.

    Raises:
        HeadstartError: one is missing.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError:
        raise HeadstartError(MISSING) from None


def runner(source: Source, portable: Portable, file: Path) -> Callable[[Dataset], Outputs]:
    """Return what runs records through a written graph, with ONNX Runtime alone."""
    session = session_of(file)

    def run(records: Dataset) -> Outputs:
        vectors = np.zeros((len(records), source.encoder.width), np.float32)
        scores: np.ndarray | None = None
        for indices, batch in source.processor.batches(records, source.length, BATCH):
            found = session.run(None, portable.inputs(batch))
            vectors[indices] = found[0]
            if len(found) > 1:
                if scores is None:
                    scores = np.zeros((len(records), found[1].shape[1]), np.float32)
                scores[indices] = found[1]
        return Outputs(vectors, scores)

    return run


def session_of(file: Path) -> Any:
    """Open a graph on the processor, with the threads of torch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _shapes(source: Source, portable: Portable, names: list[str]) -> tuple[dict[int, Any], ...]:
    """Return the dimensions that may vary of each input, bounded by what the network reads."""
    most = source.length
    if isinstance(source.encoder, TokenEncoder) and source.encoder.limit is not None:
        most = min(most, source.encoder.limit)
    rows, known = torch.export.Dim("batch"), dict[str, Any]()
    found = []
    for name in names:
        own = {}
        for dimension, word in portable.lengths.get(name, {}).items():
            own[dimension] = known.setdefault(word, torch.export.Dim(word, max=max(most, 3)))
        found.append({0: rows, **own})
    return tuple(found)


def _check_varying(file: Path, shapes: tuple[dict[int, Any], ...]) -> None:
    """Refuse a graph in which a dimension that varies was fixed, as some layers do.

    Raises:
        HeadstartError: it would take rows of one number or one length alone.
    """
    for taken, varying in zip(session_of(file).get_inputs(), shapes, strict=True):
        if any(isinstance(taken.shape[dimension], int) for dimension in varying):
            raise HeadstartError(
                "this network has no ONNX form (its layers fix the number or the length of rows); "
                "take another --format, or another encoder."
            )


def _at_least_two(tensor: Tensor) -> Tensor:
    """Return a tensor whose dimensions have two entries at least; one of 1 would stay fixed."""
    for dimension, size in enumerate(tensor.shape):
        if size == 1 and dimension < 2:
            tensor = tensor.repeat_interleave(2, dimension)
    return tensor


def _reason(error: Exception) -> str:
    """Return the innermost line that says what cannot be exported."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return first_line(cause if isinstance(cause, Exception) else error)[:100]


@contextmanager
def quietly() -> Iterator[None]:
    """Leave out what exporters print and log of their own steps."""
    names = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", None)  # the last is the root
    loggers = [logging.getLogger(name) for name in names]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
