"""Adapting an encoder to labels. Each task is one file, a head; grown by one line in TASKS.

The loop, freezing, rates, early stopping and the run folder are shared by all tasks and live in
:mod:`headstart.downstream.finetune`, so a new task brings its head and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from headstart.registry import Registry

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig
    from headstart.downstream.rows import LabeledRows
    from headstart.encoders import Encoder, Features

TASKS = Registry("task", {"classification": "headstart.downstream.classification:Classification"})


class Task(Protocol):
    """A head: an ``nn.Module`` from an encoder's features to a loss, and to predictions.

    It sees the batch that the features are of, too, for what an encoder cannot keep.

    Attributes:
        labels: what it can predict, in the order of its outputs.
    """

    labels: list[Any]

    @classmethod
    def from_records(cls, width: int, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head on features of ``width``, sized for the labels of the training records."""
        ...

    def targets(self, records: Dataset) -> Tensor:
        """Return the labels of the records as the ids (N,...) that a batch has as ``labels``."""
        ...

    def hold_out(self, records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Part the records into those to learn from and those to stop early by."""
        ...

    def warm_start(self, encoder: Encoder, train: LabeledRows, validation: LabeledRows) -> None:
        """Set the head from the frozen encoder, before anything is trained."""
        ...

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return ``params`` and ``lr`` of each group of parameters; the usual rate is given."""
        ...

    def __call__(self, features: Features, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` (scalar) and named scalars; the targets are ``batch["labels"]``."""
        ...

    def predictions(self, features: Features, batch: Batch) -> list[dict[str, Any]]:
        """Return one row of plain values for each row of the features."""
        ...

    def save(self, folder: Path) -> None:
        """Write the head: ``head.json`` and ``head.safetensors``."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reopen a head that :meth:`save` wrote."""
        ...
