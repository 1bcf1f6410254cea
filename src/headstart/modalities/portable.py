"""How records are read without this library: what an exported folder needs beside its network."""

from __future__ import annotations

import textwrap
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
        parts: the reading of each of several encoders that stand side by side; {} for a single one.
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
    parts: Mapping[str, Portable] = field(default_factory=dict)

    def inputs(self, batch: Batch) -> dict[str, Any]:
        """Return a batch as inputs of the exported network: arrays by name, bool as int64."""
        import torch

        found = {name: batch[own] for name, own in self.tensors.items()}
        return {
            name: (each.long() if each.dtype == torch.bool else each).numpy()
            for name, each in found.items()
        }


_SEVERAL = """\


READERS = {{{readers}}}


def read(values):
    return {{
        f"{{name}}/{{key}}": each
        for name, own in READERS.items()
        for key, each in own(values).items()
    }}
"""


def side_by_side(parts: Mapping[str, Portable]) -> Portable:
    """Return the reading of records for several encoders of the same kind of data.

    The inputs of each are called ``NAME/...``, and its files lie in a folder of that name. Code
    that several of them share is written once.

    Args:
        parts: by name; the tensors of the first have their own names in a batch.
    """
    names = list(parts)
    codes = list(dict.fromkeys(each.code for each in parts.values()))
    makers = [
        f"def reading_{number}(HERE):\n{textwrap.indent(code.rstrip(), '    ')}\n\n    return read"
        for number, code in enumerate(codes, 1)
    ]
    readers = [
        f"{name!r}: reading_{codes.index(each.code) + 1}(HERE / {name!r})"
        for name, each in parts.items()
    ]
    first = parts[names[0]]
    return Portable(
        tensors={
            f"{name}/{key}": own if name == names[0] else f"{name}/{own}"
            for name, each in parts.items()
            for key, own in each.tensors.items()
        },
        lengths={
            f"{name}/{key}": dims
            for name, each in parts.items()
            for key, dims in each.lengths.items()
        },
        imports=tuple(dict.fromkeys(line for each in parts.values() for line in each.imports)),
        code="\n\n" + "\n\n\n".join(makers) + _SEVERAL.format(readers=", ".join(readers)),
        usage=first.usage,
        packages=tuple(dict.fromkeys(name for each in parts.values() for name in each.packages)),
        values=first.values,
        settings={name: dict(each.settings) for name, each in parts.items()},
        limits=tuple(f"{name}: {line}" for name, each in parts.items() for line in each.limits),
        parts=dict(parts),
    )
