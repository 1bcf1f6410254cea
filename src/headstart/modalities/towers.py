"""What the towers of a network of two kinds of data read: a processor each, and where each begins.

A batch of both has the tensors of each tower as ``NAME/...``, and ``keys``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from headstart.modalities.processor import Processor

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

    from headstart.batch import Batch, Rows
    from headstart.modalities import Modality


@dataclass(frozen=True)
class Start:
    """What a tower begins with.

    Attributes:
        encoder: name of a network that begins with nothing, or the folder of one.
        is_folder: which of the two.
        length: at which it reads records, where nothing else is asked for.
        processor_defaults: of the network, for :meth:`headstart.modalities.Modality.fit`.
    """

    encoder: str
    is_folder: bool
    length: int
    processor_defaults: Any = None


class Finder(Protocol):
    """Finds what a tower begins with: the :attr:`processor_defaults` of networks with towers."""

    def find(self, asked: str, modality: Modality, records: Dataset, usual: str) -> Start:
        """Return the start that is asked for.

        Args:
            asked: a name or folder; ``auto`` for a published encoder that suits the records, or
                else ``usual``; ``published`` for that alone.
            records: of ``modality``.
            usual: a network that begins with nothing.

        Raises:
            HeadstartError: there is no such encoder, or it reads other data.
        """
        ...


@dataclass(frozen=True)
class TowerReader:
    """How one tower reads records.

    Attributes:
        modality: name of the kind of data.
        processor: turns records into batches.
        length: at which it does.
        start: what the tower began with: the name of a network, or a folder.
        is_published: whether that is a folder.
    """

    modality: str
    processor: Processor
    length: int
    start: str
    is_published: bool


class TowerProcessor(Processor):
    """A processor of two kinds of data that describe each other.

    Args:
        towers: by name; of two, records of the first one are shown where a record has both.
    """

    gives = "keys"
    provides = frozenset()

    def __init__(self, towers: Mapping[str, TowerReader]) -> None:
        self.towers = dict(towers)

    @abstractmethod
    def augmented(self, batch: Batch, generator: torch.Generator, kind: str) -> Batch:
        """Return a batch with random views of what the first tower reads.

        Args:
            kind: ``none``, or one of its views.
        """

    @abstractmethod
    def written(self, rows: Rows) -> Iterator[Batch]:
        """Yield what the second tower reads of all rows, some at a time, each with its key."""
