"""A head alone as a small ONNX graph, beside an encoder that another library opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from headstart.deployment.exporting import Source
from headstart.deployment.exporting.onnx_graph import (
    SCORES,
    VECTORS,
    check_packages,
    exported,
    session_of,
)

FILE = "head.onnx"
#: Python that sets ``scores`` from ``vectors``.
HEAD_CODE = f"""\
head = onnxruntime.InferenceSession(HERE / "{FILE}", providers=["CPUExecutionProvider"])
scores = head.run(None, {{"{VECTORS}": np.asarray(vectors, np.float32)}})[0]
"""


def write_head_graph(source: Source, folder: Path) -> None:
    """Write ``head.onnx``, from vectors (B,D) to scores (B,K); nothing where there is no head."""
    if source.head is None:
        return
    check_packages()
    vectors = torch.zeros(2, source.encoder.width)
    shapes = ({0: torch.export.Dim("batch")},)
    program = exported(source.head.network.eval(), (vectors,), shapes, [VECTORS], [SCORES])
    import onnx_ir

    onnx_ir.save(program.model, folder / FILE)


def head_runner(source: Source, folder: Path) -> Callable[[np.ndarray], np.ndarray | None]:
    """Return what gives the scores (N,K) of vectors (N,D); None where there is no head."""
    if source.head is None:
        return lambda vectors: None
    session = session_of(folder / FILE)

    def run(vectors: np.ndarray) -> np.ndarray:
        found: np.ndarray = session.run(None, {VECTORS: vectors.astype(np.float32)})[0]
        return found

    return run
