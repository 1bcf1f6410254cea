"""The format ``onnx``: one graph for ONNX Runtime, in floats or in 8 bits."""

from __future__ import annotations

from pathlib import Path

from headstart.deployment.exporting import Format, Source, Written
from headstart.deployment.exporting.int8 import rounded_graph
from headstart.deployment.exporting.onnx_graph import SCORES, VECTORS, runner, write_graph
from headstart.encoders.flat_table import FlatTable

FILE = "model.onnx"
_CODE = f"""\
session = onnxruntime.InferenceSession(HERE / "{FILE}", providers=["CPUExecutionProvider"])
names = [each.name for each in session.get_outputs()]
found = dict(zip(names, session.run(names, read(values))))
vectors, scores = found["{VECTORS}"], found.get("{SCORES}")
"""


def write(source: Source, folder: Path) -> Written:
    """Write ``model.onnx`` in float32."""
    portable = source.processor.portable(folder, source.length)
    write_graph(source, portable, folder / FILE)
    return _written(source, folder, portable)


def write_int8(source: Source, folder: Path) -> Written:
    """Write ``model.onnx`` with weights of 8 bits; the head stays as it is."""
    portable = source.processor.portable(folder, source.length)
    network = source.encoder.exportable()
    if isinstance(network, FlatTable):
        write_graph(source, portable, folder / FILE, network.rounded())
    else:
        write_graph(source, portable, folder / FILE)
        rounded_graph(source, portable, folder / FILE)
    return _written(source, folder, portable)


def _written(source: Source, folder: Path, portable: object) -> Written:
    from headstart.modalities.portable import Portable

    assert isinstance(portable, Portable)
    return Written(
        run=runner(source, portable, folder / FILE),
        packages=("numpy", "onnxruntime", *portable.packages),
        imports=("import onnxruntime",),
        code=_CODE,
        reading=portable,
    )


FORMAT = Format(
    "One graph for ONNX Runtime, on any system and in many languages.", write, quantize=write_int8
)
