"""What a network costs: seconds of one core, and megabytes; in floats, and in 8 bits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.deployment.exporting import Source
from headstart.deployment.exporting.onnx_folder import FILE, write_int8
from headstart.deployment.exporting.onnx_graph import session_of
from headstart.encoders.features import features
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.encoders.opening import OpenedEncoder

#: Records by which the time is measured, how many are in a batch, and how often each is tried.
TIMED, BATCH, ROUNDS = 64, 32, 3
FLOATS, BYTES = "float32", "int8"


@dataclass(frozen=True)
class Contender:
    """A network as it would be run.

    Attributes:
        name: how it differs from the original.
        weights: ``float32`` or ``int8``.
        megabytes: of its weights.
        vectors: (N,D) of the records that are judged on.
        runs: each computes the vectors of a batch.
    """

    name: str
    weights: str
    megabytes: float
    vectors: np.ndarray
    runs: Sequence[Callable[[], Any]]


def in_floats(name: str, opened: OpenedEncoder, records: Dataset) -> Contender:
    """Return an encoder as torch runs it."""
    encoder = opened.encoder.eval()
    vectors = features(encoder, opened.processor, records, length=opened.length, bf16=False)
    runs = [partial(encoder.pool, batch) for batch in _batches(opened, records)]
    return Contender(name, FLOATS, _megabytes(Path(opened.folder)), vectors, runs)


def in_bytes(name: str, opened: OpenedEncoder, records: Dataset, folder: Path) -> Contender:
    """Return an encoder in 8 bits as ONNX Runtime runs it; it is written to a folder.

    Raises:
        HeadstartError: it has no such form, or a package is missing.
    """
    encoder, place = opened.encoder.eval(), Path(opened.folder)
    source = Source(place, encoder, opened.processor, opened.length, None, records)
    folder.mkdir(parents=True, exist_ok=True)
    written = write_int8(source, folder)
    with one_core():
        session = session_of(folder / FILE)
    feeds = [written.reading.inputs(batch) for batch in _batches(opened, records)]
    runs = [partial(session.run, None, feed) for feed in feeds]
    size = (folder / FILE).stat().st_size / 1e6
    return Contender(name, BYTES, size, written.run(records).vectors, runs)


def timed(contenders: Sequence[Contender]) -> list[float]:
    """Return the seconds of one core that each takes for a record; they are run in turn."""
    least = [float("inf")] * len(contenders)
    with one_core(), torch.inference_mode():
        for _ in range(ROUNDS):
            for index, each in enumerate(contenders):
                # Time of the processor, which does not depend on what else the machine does.
                begun = time.process_time()
                for run in each.runs:
                    run()
                least[index] = min(least[index], time.process_time() - begun)
    return [max(each, 1e-9) / TIMED for each in least]


@contextmanager
def one_core() -> Iterator[None]:
    """Let torch, and sessions that are opened meanwhile, compute with one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _batches(opened: OpenedEncoder, records: Dataset) -> list[Any]:
    """Return ``TIMED`` records as batches, some twice where there are fewer."""
    some = records.select(np.arange(TIMED) % len(records))
    return [
        opened.processor.collate(some.select(range(start, start + BATCH)), opened.length)
        for start in range(0, TIMED, BATCH)
    ]


def _megabytes(folder: Path) -> float:
    found = sum(each.stat().st_size for each in folder.rglob("*.safetensors")) / 1e6
    if not found:
        raise HeadstartError(
            f"{folder} has no weights in safetensors, whose size could be compared; name a run, or "
            "a folder with such weights."
        )
    return found
