"""A task: which series are unlike the usual ones?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from headstart.config import Options, task_options
from headstart.downstream import Task
from headstart_sensors.content import SERIES

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch, Rows
    from headstart.config import FinetuneConfig
    from headstart.encoders import Encoder


class OutlierOptions(Options):
    """What is usual, and how far that goes."""

    usual: str = Field("usual", description="Label of the usual series; all others are outliers.")
    within: float = Field(0.95, gt=0, lt=1, description="Share of the usual series within reach.")


class Outliers(Task):
    """Series farther from the middle of the usual ones than most of these are."""

    name: ClassVar[str] = "outliers"
    content = SERIES
    Options = OutlierOptions
    learns: ClassVar[bool] = False

    def __init__(self, width: int, usual: str, within: float) -> None:
        super().__init__()
        self.usual, self.within = usual, within
        self.middle: Tensor
        self.reach: Tensor
        self.register_buffer("middle", torch.zeros(width))
        self.register_buffer("reach", torch.ones(()))

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        options = task_options(config, OutlierOptions)
        return cls(encoder.width, options.usual, options.within)

    def targets(self, records: Dataset) -> Tensor:
        """Return 1 for an outlier (N,)."""
        return torch.tensor([float(label != self.usual) for label in records["label"]])

    def warm_start(self, encoder: Encoder, train: Rows, validation: Rows) -> None:
        """Set the middle of the usual series, and the distance within which most of them lie."""
        found = [features[batch["labels"] == 0] for features, batch in self.scan(encoder, train)]
        usual = torch.cat(found)
        self.middle.copy_(usual.mean(0))
        self.reach.copy_(self.distances(usual).quantile(self.within))

    def distances(self, features: Tensor) -> Tensor:
        """Return the distances (B,) from the middle."""
        return (features - self.middle).norm(dim=1)

    def forward(self, features: Tensor, batch: Batch) -> dict[str, Tensor]:
        logits = self.distances(features) / self.reach - 1
        return {"loss": F.binary_cross_entropy_with_logits(logits, batch["labels"])}

    def predictions(self, features: Tensor, batch: Batch) -> list[dict[str, Any]]:
        """Return ``outlier``, and the ``distance`` in reaches."""
        found = (self.distances(features) / self.reach).tolist()
        return [{"outlier": distance > 1, "distance": distance} for distance in found]

    def arguments(self) -> dict[str, Any]:
        return {"width": len(self.middle), "usual": self.usual, "within": self.within}
