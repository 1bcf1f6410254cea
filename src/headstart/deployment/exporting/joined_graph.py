"""Encoders side by side as one ONNX graph.

Each part is written as a graph of its own, as it would be alone: so each has the 8 bits that suit
it. Then the graphs become one, whose inputs are called ``PART/...``::

    part 1 --vectors--+
    part 2 --vectors--+--> blocks side by side, centred, scaled --> vectors --> head --> scores
    part 3 --vectors--+
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from headstart.deployment.exporting import Source
from headstart.deployment.exporting.onnx_graph import (
    SCORES,
    VECTORS,
    check_packages,
    exported,
    save,
)
from headstart.encoders.joined import JoinedEncoder, join
from headstart.files import scratch
from headstart.modalities.joined import JoinedProcessor

if TYPE_CHECKING:
    from headstart.modalities.portable import Portable

#: Writes the graph of a single encoder.
Draw = Callable[[Source, "Portable", Path], None]
#: Name of the dimension that all parts share.
_RECORDS = "batch"


class _Join(nn.Module):
    """From the vectors of each part to those of the whole, and to scores where there is a head."""

    def __init__(self, encoder: JoinedEncoder, head: nn.Module | None) -> None:
        super().__init__()
        self.centre: Tensor
        self.scale: Tensor
        self.register_buffer("centre", encoder.centre.clone())
        self.register_buffer("scale", encoder.scale.clone())
        self.head = head

    def forward(self, *blocks: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        vectors = join(blocks, self.centre, self.scale)
        return vectors if self.head is None else (vectors, self.head(vectors))


def write_joined(source: Source, portable: Portable, file: Path, draw: Draw) -> None:
    """Write the parts of an encoder, how they are joined, and the head as one graph.

    Args:
        portable: of the whole, with ``parts``.
        draw: writes the graph of one part.

    Raises:
        HeadstartError: a package is missing, or a part has no ONNX form.
    """
    check_packages()
    import onnx
    from onnx import compose

    encoder, processor = source.encoder, source.processor
    assert isinstance(encoder, JoinedEncoder)
    assert isinstance(processor, JoinedProcessor)
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        drawn = Path(folder) / "part.onnx"
        _write_join(source, encoder, drawn)
        whole = onnx.load(str(drawn))
        for name, own in portable.parts.items():
            reader = processor.parts[name]
            single = replace(
                source,
                folder=source.folder / name,
                encoder=encoder.joined[name].eval(),
                processor=reader.processor,
                length=source.length if reader.processor is processor.first else reader.length,
                head=None,
            )
            draw(single, own, drawn)
            part = compose.add_prefix(onnx.load(str(drawn)), f"{name}/")
            _name_lengths(part, name)
            whole = compose.merge_models(part, whole, io_map=[(f"{name}/{VECTORS}", name)])
        onnx.save(whole, str(file))


def _name_lengths(part: Any, name: str) -> None:
    """Give the dimensions of a part that vary, but the records, names of its own."""
    # What was inferred of shapes before operators were fused is wrong after it.
    del part.graph.value_info[:]
    for value in (*part.graph.input, *part.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param and dimension.dim_param != _RECORDS:
                dimension.dim_param = f"{name}/{dimension.dim_param}"


def _write_join(source: Source, encoder: JoinedEncoder, file: Path) -> None:
    """Write the graph from the vectors of the parts, which bear their names, to the outputs."""
    head = None if source.head is None else source.head.network.eval()
    blocks = tuple(torch.zeros(2, part.width) for part in encoder.joined.values())
    rows = torch.export.Dim(_RECORDS)
    shapes = (tuple({0: rows} for _ in blocks),)
    outputs = [VECTORS] if head is None else [VECTORS, SCORES]
    join_graph = _Join(encoder, head).eval()
    save(exported(join_graph, blocks, shapes, list(encoder.joined), outputs).model, file)
