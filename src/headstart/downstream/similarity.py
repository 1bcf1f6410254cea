"""Similarity of two records: the cosine of their vectors, fine-tuned to human scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, mse_loss

from headstart.downstream.pair_rows import PairRows, pooled_pairs, read_labeled_pairs
from headstart.downstream.pair_task import PairTask
from headstart.downstream.regression import correlations
from headstart.errors import HeadstartError
from headstart.evaluation.protocols.reading import numbered

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig
    from headstart.data.audit import Audit
    from headstart.encoders import Encoder
    from headstart.modalities import Modality


class Similarity(PairTask):
    """A siamese network: the squared error of a linear function of the cosine.

    Sentence-BERT (Reimers and Gurevych 2019, https://arxiv.org/abs/1908.10084). The vectors are the
    encoder's own, so that ``search`` and ``embed`` use the fine-tuned ones.

    Args:
        low, high: lowest and highest score of the training records, mapped to 0 and 1.
    """

    name: ClassVar[str] = "similarity"

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high
        self.slope = nn.Parameter(torch.ones(()))
        self.shift = nn.Parameter(torch.zeros(()))

    @staticmethod
    def read(source: str, options: FinetuneConfig, modality: Modality, audit: Audit) -> Dataset:
        """Read pairs of records with a number each."""
        records = read_labeled_pairs(source, options, modality, audit)
        return numbered(records, source, audit)

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head for the range of the scores.

        Raises:
            HeadstartError: all scores are the same.
        """
        low, high = min(records["label"]), max(records["label"])
        if low == high:
            raise HeadstartError(
                f"similarity needs pairs of at least two scores, but all have {low}; check --train "
                "and --column label=COLUMN."
            )
        return cls(low, high)

    def targets(self, records: Dataset) -> Tensor:
        """Return the scores (N,) in 0..1."""
        scores = torch.tensor(list(records["label"]), dtype=torch.float64)
        return ((scores - self.low) / (self.high - self.low)).float()

    def warm_start(self, encoder: Encoder, train: PairRows, validation: PairRows) -> None:
        """Fit the linear function to the cosines of the frozen encoder by least squares."""
        cosine, targets = self._cosines(encoder, train)
        if np.ptp(cosine) > 0:
            slope, shift = np.polyfit(cosine, targets, 1)
            with torch.no_grad():
                # A lower cosine must never mean a higher similarity.
                self.slope.fill_(max(float(slope), 0.1))
                self.shift.fill_(float(shift) if slope > 0.1 else float(targets.mean()))

    def features(self, encoder: Encoder, batch: Batch) -> Tensor:
        """Return the cosine (B,) of each pair."""
        first, second = pooled_pairs(encoder, batch)
        return cosine_similarity(first.float(), second.float())

    def forward(self, features: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss``, the mean squared error of the scores in 0..1."""
        return {"loss": mse_loss(self.slope * features + self.shift, batch["labels"])}

    def predictions(self, features: Tensor, batch: Batch) -> list[dict[str, Any]]:
        """Return the ``value`` in the scale of the training scores, and the ``cosine``."""
        share = (self.slope * features + self.shift).clamp(0, 1)
        values = self.low + (self.high - self.low) * share.double()
        return [
            {"value": value, "cosine": cosine}
            for value, cosine in zip(values.tolist(), features.tolist(), strict=True)
        ]

    def measure(self, encoder: Encoder, rows: PairRows) -> dict[str, float]:
        """Return ``spearman`` and ``pearson`` of cosine and score (as STS, Cer et al. 2017)."""
        return correlations(*self._cosines(encoder, rows))

    def _cosines(self, encoder: Encoder, rows: PairRows) -> tuple[np.ndarray, np.ndarray]:
        found = [features for features, _ in self.scan(encoder, rows)]
        return torch.cat(found).cpu().numpy(), rows.targets.numpy()

    def arguments(self) -> dict[str, Any]:
        """Return the range of the scores."""
        return {"low": self.low, "high": self.high}
