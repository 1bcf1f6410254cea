"""The format ``onnx``: one graph for ONNX Runtime, in floats or in 8 bits."""

from __future__ import annotations

from pathlib import Path

from headstart.deployment.exporting import Format, Source, Written
from headstart.deployment.exporting.int8 import rounded_graph
from headstart.deployment.exporting.joined_graph import Draw, write_joined
from headstart.deployment.exporting.onnx_graph import SCORES, VECTORS, runner, write_graph
from headstart.encoders.flat_table import FlatTable
from headstart.modalities.portable import Portable

FILE = "model.onnx"
_CODE = f"""\
session = onnxruntime.InferenceSession(HERE / "{FILE}", providers=["CPUExecutionProvider"])
names = [each.name for each in session.get_outputs()]
found = dict(zip(names, session.run(names, read(values))))
vectors, scores = found["{VECTORS}"], found.get("{SCORES}")
"""


def write(source: Source, folder: Path) -> Written:
    """Write ``model.onnx`` in float32."""
    return _write(source, folder, write_graph)


def write_int8(source: Source, folder: Path) -> Written:
    """Write ``model.onnx`` with weights of 8 bits; the head stays as it is."""
    return _write(source, folder, _write_rounded)


def _write_rounded(source: Source, portable: Portable, file: Path) -> None:
    network = source.encoder.exportable()
    if isinstance(network, FlatTable):
        write_graph(source, portable, file, network.rounded())
    else:
        write_graph(source, portable, file)
        rounded_graph(source, portable, file)


def _write(source: Source, folder: Path, draw: Draw) -> Written:
    portable = source.processor.portable(folder, source.length)
    if portable.parts:
        write_joined(source, portable, folder / FILE, draw)
    else:
        draw(source, portable, folder / FILE)
    return Written(
        run=runner(source, portable, folder / FILE),
        packages=("numpy", "onnxruntime", *portable.packages),
        imports=("import onnxruntime",),
        code=_CODE,
        reading=portable,
    )


FORMAT = Format(
    "One graph for ONNX Runtime, on any system and in many languages.",
    write,
    quantize=write_int8,
    joins=True,
)
