"""Classification or regression of pairs of records, on features that combine both vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor

from headstart.data.pairs import number
from headstart.data.split import labeled
from headstart.downstream.classification import Classification
from headstart.downstream.pair_rows import PairRows, pooled_pairs, read_labeled_pairs
from headstart.downstream.pair_task import PairTask
from headstart.downstream.regression import Regression
from headstart.evaluation.protocols.reading import numbered

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig
    from headstart.data.audit import Audit
    from headstart.encoders import Encoder
    from headstart.modalities import Modality


class Crossed:
    """An encoder of pairs: pooled features (B,4D) ``[u, v, |u - v|, u * v]`` of two records.

    As in InferSent (Conneau et al. 2017, section 3.1, https://arxiv.org/abs/1705.02364).
    """

    provides: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.width = encoder, 4 * encoder.width

    def eval(self) -> None:
        """Set the encoder to evaluation mode."""
        self.encoder.eval()

    def pool(self, batch: Batch) -> Tensor:
        """Return the crossed features (B,4D)."""
        u, v = pooled_pairs(self.encoder, batch)
        return torch.cat([u, v, (u - v).abs(), u * v], 1)


class CrossedPairs(PairTask):
    """The head of single records, on the crossed features of two.

    Args:
        head: a regression if all labels are numbers and some have a fraction, else a
            classification.
    """

    name: ClassVar[str] = "pairs"
    classifies: ClassVar[bool] = True

    def __init__(self, head: Classification | Regression) -> None:
        super().__init__()
        self.head = head
        self.labels = head.labels

    @staticmethod
    def read(source: str, options: FinetuneConfig, modality: Modality, audit: Audit) -> Dataset:
        """Read pairs of records with a label each."""
        records = read_labeled_pairs(source, options, modality, audit)
        records = labeled(records, source, audit)
        values = [number(label) for label in records["label"]]
        numbers = [value for value in values if value is not None]
        if len(numbers) == len(values) and any(value % 1 for value in numbers):
            return numbered(records, source, audit)
        return records

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head for the classes or numbers of the records."""
        width = 4 * encoder.width
        if isinstance(records[0]["label"], float):
            return cls(Regression.from_records(width, records, config))
        plain = config.model_copy(update={"wide": "off"})
        return cls(Classification.from_records(width, records, plain))

    def targets(self, records: Dataset) -> Tensor:
        """Return the targets of the inner head."""
        return self.head.targets(records)

    def hold_out(self, records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Split the pairs as the inner head splits records."""
        return self.head.hold_out(records, share, seed)

    def warm_start(self, encoder: Encoder, train: PairRows, validation: PairRows) -> None:
        """Set the inner head from the frozen features, crossed."""
        self.head.warm_start(Crossed(encoder), train, validation)

    def features(self, encoder: Encoder, batch: Batch) -> Tensor:
        """Return the crossed features (B,4D)."""
        return Crossed(encoder).pool(batch)

    def forward(self, features: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` and the scalars of the inner head."""
        return self.head(features, batch)

    def predictions(self, features: Tensor, batch: Batch) -> list[dict[str, Any]]:
        """Return the rows of the inner head: ``label`` and ``scores``, or ``value``."""
        return self.head.predictions(features, batch)

    def measure(self, encoder: Encoder, rows: PairRows) -> dict[str, float]:
        """Return the metrics of a regression; none for classes."""
        if isinstance(self.head, Regression):
            crossed: Any = Crossed(encoder)
            return self.head.measure(crossed, rows)
        return {}

    def arguments(self) -> dict[str, Any]:
        """Return the kind of the inner head and its arguments."""
        return {"number": isinstance(self.head, Regression), **self.head.arguments()}

    @classmethod
    def restored(cls, arguments: dict[str, Any], state: dict[str, Tensor]) -> Self:
        """Return a head around an inner one of its kind."""
        arguments = dict(arguments)
        kind = Regression if arguments.pop("number") else Classification
        return cls(kind.restored(arguments, state))
