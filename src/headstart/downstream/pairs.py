"""What two records are to each other: a class or a number, from their vectors crossed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from headstart.data.pairs import number
from headstart.data.split import labeled
from headstart.downstream.classification import Classification
from headstart.downstream.head import read_head, write_head
from headstart.downstream.pair_rows import (
    PairRows,
    collate_pairs,
    pooled_pairs,
    read_labeled_pairs,
    read_pairs,
)
from headstart.downstream.regression import Regression
from headstart.evaluation.protocols.reading import numbered

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig, SourceOptions
    from headstart.data.audit import Audit
    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor


class Crossed:
    """An encoder of pairs: pooled features (B,4D) ``[u, v, |u - v|, u * v]`` of two records.

    As InferSent has them (Conneau et al. 2017, section 3.1).
    """

    provides: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, encoder: Any) -> None:
        self.encoder, self.width = encoder, 4 * encoder.width

    def eval(self) -> None:
        """Set the encoder to evaluation mode."""
        self.encoder.eval()

    def pool(self, batch: Batch) -> Tensor:
        """Return the crossed features (B,4D)."""
        u, v = pooled_pairs(self.encoder, batch)
        return torch.cat([u, v, (u - v).abs(), u * v], 1)


class Pairs(nn.Module):
    """The head of single records, on the crossed features of two.

    Args:
        head: for classes, or for numbers where all labels are and some have a fraction.
    """

    at_once: ClassVar[int] = 64
    read_inputs = staticmethod(read_pairs)

    def __init__(self, head: Classification | Regression) -> None:
        super().__init__()
        self.head = head
        self.labels: list[Any] = head.labels

    @staticmethod
    def read(source: str, options: SourceOptions, modality: Modality, audit: Audit) -> Dataset:
        """Read pairs of records with a label each."""
        records = read_labeled_pairs(source, options, modality, audit)
        records = labeled(records, source, audit)
        values = [number(label) for label in records["label"]]
        numbers = [value for value in values if value is not None]
        if len(numbers) == len(values) and any(value % 1 for value in numbers):
            return numbered(records, source, audit)
        return records

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Pairs:
        """Build a head for the classes or numbers of the records."""
        width = 4 * encoder.width
        if isinstance(records[0]["label"], float):
            return cls(Regression.from_records(width, records, config))
        plain = config.model_copy(update={"wide": "off"})
        return cls(Classification.from_records(width, records, plain))

    def rows(
        self, processor: Processor, records: Dataset, length: int, seed: int | None = None
    ) -> PairRows:
        """Return the pairs with the targets of the inner head; they never vary."""
        return PairRows(processor, records, self.head.targets(records), length)

    def hold_out(self, records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Part the pairs as the inner head parts records."""
        return self.head.hold_out(records, share, seed)

    def collate(self, processor: Processor, records: Dataset, length: int) -> Batch:
        """Return pairs as a batch."""
        return collate_pairs(processor, records, length)

    def warm_start(self, encoder: Any, train: Any, validation: Any) -> None:
        """Set the inner head from the frozen features, crossed."""
        crossed: Any = Crossed(encoder)
        self.head.warm_start(crossed, train, validation)

    def features(self, encoder: Any, batch: Batch) -> Tensor:
        """Return the crossed features (B,4D)."""
        return Crossed(encoder).pool(batch)

    def forward(self, features: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return what the inner head does."""
        return self.head(features, batch)

    def predictions(self, features: Tensor, batch: Batch) -> list[dict[str, Any]]:
        """Return what the inner head does: ``label`` and ``scores``, or ``value``."""
        return self.head.predictions(features, batch)

    def measure(self, encoder: Any, rows: Any) -> dict[str, float]:
        """Return what the inner head measures: of numbers alone."""
        if isinstance(self.head, Regression):
            return self.head.measure(Crossed(encoder), rows)
        return {}

    def save(self, folder: Path) -> None:
        """Write ``head.safetensors`` and ``head.json`` (task, and what the inner head is)."""
        if isinstance(self.head, Regression):
            write_head(folder, self, "pairs", number=True, **self.head.described())
            return
        linear, dropout = self.head.linear, self.head.dropout.p
        write_head(
            folder,
            self,
            "pairs",
            number=False,
            labels=self.labels,
            width=linear.in_features,
            dropout=dropout,
        )

    @classmethod
    def load(cls, folder: Path) -> Pairs:
        """Reopen a head that :meth:`save` wrote."""
        described, state = read_head(folder)
        described.pop("task")
        kind = Regression if described.pop("number") else Classification
        head = cls(kind(**described))
        head.load_state_dict(state)
        return head.eval()
