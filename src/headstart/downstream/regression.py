"""One number per record: a linear head on the pooled features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from headstart.data.split import labeled
from headstart.downstream import Task
from headstart.downstream.alternatives import Alternative, regressed
from headstart.downstream.frozen import Pooler, Standardisation, pooled_features
from headstart.downstream.head import zero_linear
from headstart.downstream.portable import VALUE, Activated, PortableHead
from headstart.downstream.rows import TargetRows
from headstart.errors import HeadstartError
from headstart.evaluation.protocols.reading import numbered

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig
    from headstart.data.audit import Audit
    from headstart.encoders import Encoder
    from headstart.modalities import Modality

_PENALTIES = tuple(10.0**power for power in range(-1, 6))


class Regression(Task):
    """Dropout and one linear layer (D -> 1) on ``pooled`` (B,D), with the squared error.

    The targets are standardised with the mean and standard deviation of the training records.

    Args:
        width: D, the size of the features.
        mean, deviation: of the training numbers.
        dropout: share of the features that is hidden while training.
    """

    name: ClassVar[str] = "regression"

    def __init__(self, width: int, mean: float, deviation: float, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.mean, self.deviation = mean, deviation
        self.dropout = nn.Dropout(dropout)
        self.linear = zero_linear(width, 1)

    @staticmethod
    def read(source: str, options: FinetuneConfig, modality: Modality, audit: Audit) -> Dataset:
        """Read records whose label is a number; the others are dropped and noted in ``audit``."""
        records = labeled(modality.read([source], options, audit), source, audit)
        return numbered(records, source, audit)

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head on the pooled features of an encoder."""
        return cls.from_records(encoder.width, records, config)

    @classmethod
    def from_records(cls, width: int, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head for the numbers of ``records``.

        Raises:
            HeadstartError: they are all the same.
        """
        values = np.array(records["label"], dtype=np.float64)
        if len(values) < 2 or values.std() == 0:
            raise HeadstartError(
                "a regression needs training records with two different numbers at least; check "
                "--train and --column label=COLUMN."
            )
        return cls(width, float(values.mean()), float(values.std()), dropout=config.dropout)

    def targets(self, records: Dataset) -> Tensor:
        """Return the standardised numbers (N,) float32."""
        values = torch.tensor(list(records["label"]), dtype=torch.float64)
        return ((values - self.mean) / self.deviation).float()

    def warm_start(self, encoder: Pooler, train: TargetRows, validation: TargetRows) -> None:
        """Set the head to a ridge regression on the frozen features.

        The penalty is the one with the lowest validation loss.
        """
        from sklearn.linear_model import Ridge

        features, targets = pooled_features(encoder, train)
        held, truth = pooled_features(encoder, validation)
        standardise = Standardisation.of(features)
        best = float("inf")
        for penalty in _PENALTIES:
            model = Ridge(alpha=penalty).fit(standardise(features).numpy(), targets.numpy())
            slope, shift = torch.from_numpy(np.asarray(model.coef_)), torch.tensor(model.intercept_)
            weight, bias = standardise.folded(slope.float(), shift.float())
            loss = mse_loss(held @ weight + bias, truth).item()
            if loss < best:
                best = loss
                self.linear.load_state_dict({"weight": weight[None], "bias": bias[None]})

    def standardised(self, features: Tensor) -> Tensor:
        """Return the predicted numbers (B,) in standard deviations from the mean."""
        return self.linear(self.dropout(features)).float().squeeze(1)

    def forward(self, features: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss``, the mean squared error in variances of the training numbers."""
        return {"loss": mse_loss(self.standardised(features), batch["labels"].float())}

    def predictions(self, features: Tensor, batch: Batch) -> list[dict[str, Any]]:
        """Return the number, ``value``."""
        values = self.standardised(features).double() * self.deviation + self.mean
        return [{"value": value} for value in values.tolist()]

    def measure(self, encoder: Pooler, rows: TargetRows) -> dict[str, float]:
        """Return ``spearman`` and ``pearson`` correlations, and ``mae``, the mean error."""
        self.eval()
        features, targets = pooled_features(encoder, rows)
        with torch.no_grad():
            found = self.standardised(features).numpy()
        return self.scores(found, targets.numpy())

    def scores(self, found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Return the scores of standardised numbers (N,)."""
        error = float(np.abs(found - truth).mean() * self.deviation)
        return {**correlations(found, truth), "mae": error}

    def alternatives(self, train: Dataset, val: Dataset) -> list[Alternative]:
        """Return ridge regression on the strongest simple features of the kind of data."""
        return regressed(self, train, val, self.scores)

    def portable(self) -> PortableHead:
        """Return the number itself (B,1), in the unit of the training numbers."""

        def values(features: Tensor) -> Tensor:
            return self.standardised(features)[:, None]

        def scaled(found: Tensor) -> Tensor:
            return found * self.deviation + self.mean

        about = {"task": self.name, "scores": "the number"}
        network = Activated(self, values, scaled)
        return PortableHead(network, about, VALUE, lambda scores: scores[:, 0])

    def arguments(self) -> dict[str, Any]:
        """Return mean, deviation, size and dropout."""
        return {
            "width": self.linear.in_features,
            "mean": self.mean,
            "deviation": self.deviation,
            "dropout": self.dropout.p,
        }


def correlations(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return ``spearman`` and ``pearson`` of two series (N,); 0 where one of them is constant."""
    from scipy import stats

    if len(found) < 2 or np.ptp(found) == 0 or np.ptp(truth) == 0:
        return {"spearman": 0.0, "pearson": 0.0}
    return {
        "spearman": float(stats.spearmanr(found, truth).statistic),
        "pearson": float(stats.pearsonr(found, truth).statistic),
    }
