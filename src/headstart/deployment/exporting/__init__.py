"""Folders that work without this library: one format a file, registered in :data:`EXPORTS`.

The way of an export::

    run --open--> encoder, processor, head --write--> a folder of one format
                                                        |
    the user's own records ----> vectors, scores of both, compared --refuse--> nothing is left
                                                        |
                                  model card, example.py that is run once, sealed

A format writes its files, and says how records are run with them; what is common (head, card,
example, comparison) is done once, for all formats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.registries import EXPORTS as EXPORTS

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.downstream.portable import PortableHead
    from headstart.encoders import Encoder
    from headstart.modalities import Processor
    from headstart.modalities.portable import Portable


@dataclass(frozen=True)
class Source:
    """What is exported.

    Attributes:
        folder: of the encoder, in the format of its own library.
        encoder: in evaluation mode.
        processor: what reads records for it.
        length: tokens after which a record is cut, or pixels a side.
        head: of a fine-tuned run; None for the encoder alone.
        records: of the user, to calibrate by and to compare on.
    """

    folder: Path
    encoder: Encoder
    processor: Processor
    length: int
    head: PortableHead | None
    records: Dataset


@dataclass(frozen=True)
class Outputs:
    """What a network gives for N records: vectors (N,D), and the scores (N,K) of a head."""

    vectors: np.ndarray
    scores: np.ndarray | None = None


@dataclass(frozen=True)
class Written:
    """What a format has written.

    Attributes:
        run: from records to what the written network gives for them, with its library alone.
        packages: to install for it.
        imports: the lines of Python that import what ``code`` needs.
        code: Python that sets ``vectors`` (N,D), and ``scores`` (N,K) where there is a head, from
            the ``values`` of a command line. It knows ``HERE`` and ``np``.
        reading: how records are read; None where the format's library reads them.
        usage: what the values are, for people.
        limits: what users must know, in sentences.
    """

    run: Callable[[Dataset], Outputs]
    packages: tuple[str, ...]
    imports: tuple[str, ...]
    code: str
    reading: Portable
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """A format of exported folders.

    Attributes:
        about: what opens it, in one line.
        write: writes the network, and what reads records for it, to a folder. It raises a
            :class:`headstart.errors.HeadstartError` where the encoder has no such form.
        quantize: the same in int8; None where the format has none.
        joins: whether it takes encoders that stand side by side.

    Example::

        FORMAT = Format("ONNX Runtime, on any system.", write, quantize=write_int8)
    """

    about: str
    write: Callable[[Source, Path], Written]
    quantize: Callable[[Source, Path], Written] | None = None
    joins: bool = False
