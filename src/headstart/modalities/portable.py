"""How records are read without this library: what an exported folder needs beside its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch


@dataclass(frozen=True)
class Portable:
    """The reading of records in plain Python, with the libraries that it names alone.

    Attributes:
        tensors: the tensors of a batch that the network reads: from the name of an input of the
            exported network to that of :mod:`headstart.batch`.
        lengths: of each input the dimensions that may vary beside the first, by a name for each.
        imports: the lines of Python that import what ``code`` needs, numpy excluded.
        code: Python that defines ``read(values)``: from the values on a command line to the inputs
            of the network. It knows ``HERE``, the exported folder, and ``np``.
        usage: what those values are, for people.
        packages: to install for it.
        values: returns records as such values; files that they need are written to the folder.
        settings: what the reading depends on, for programs in other languages.
        limits: what it does otherwise than this library, in sentences.
    """

    tensors: Mapping[str, str]
    lengths: Mapping[str, Mapping[int, str]]
    imports: tuple[str, ...]
    code: str
    usage: str
    packages: tuple[str, ...]
    values: Callable[[Dataset, Path], list[str]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: tuple[str, ...] = ()

    def inputs(self, batch: Batch) -> dict[str, Any]:
        """Return a batch as inputs of the exported network: arrays by name, bool as int64."""
        import torch

        found = {name: batch[own] for name, own in self.tensors.items()}
        return {
            name: (each.long() if each.dtype == torch.bool else each).numpy()
            for name, each in found.items()
        }
