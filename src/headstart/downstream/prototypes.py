"""Few-shot classification without training: the nearest class mean on frozen features."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.data.groups import groups_of
from headstart.data.split import split
from headstart.downstream import Task
from headstart.downstream.alternatives import Alternative, classified
from headstart.downstream.classes import (
    checked_classes,
    class_indices,
    class_loss,
    class_predictions,
    count_classes,
)
from headstart.downstream.frozen import pooled_features
from headstart.downstream.portable import PortableHead, of_classes
from headstart.downstream.rows import LabeledRows

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig
    from headstart.encoders import Encoder

#: Inverse temperatures; the one with the lowest validation loss is taken.
_SCALES = (1.0, 3.0, 10.0, 30.0, 100.0)


class Prototypes(Task):
    """A softmax over ``-scale * |x - c|^2`` for the mean c of each class.

    Prototypical networks, Snell et al. 2017 (https://arxiv.org/abs/1703.05175). Features are first
    centred and normalised to unit length, which helps much (CL2N of SimpleShot, Wang et al. 2019,
    section 3, https://arxiv.org/abs/1911.04623).

    Args:
        width: D, the size of the features.
        labels: the classes, in the order of the outputs.
    """

    name: ClassVar[str] = "prototypes"
    classifies: ClassVar[bool] = True
    learns: ClassVar[bool] = False

    def __init__(self, width: int, labels: list[str]) -> None:
        super().__init__()
        self.labels = labels
        self.centre: Tensor
        self.means: Tensor
        self.scale: Tensor
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("means", torch.zeros(len(labels), width))
        self.register_buffer("scale", torch.ones(()))

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head for the labels that occur in ``records``."""
        return cls(encoder.width, list(count_classes(records)))

    @classmethod
    def checked(
        cls, records: Dataset, validation: Dataset | None, config: FinetuneConfig, notes: list[str]
    ) -> Dataset | None:
        """Leave out validation records of a class that no training record has."""
        return checked_classes(records, validation, config, notes)

    def targets(self, records: Dataset) -> Tensor:
        """Return the class of each record (N,)."""
        return class_indices(records, self.labels)

    def hold_out(self, records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Split each class; with one record each, all are training and validation records."""
        labels = [str(label) for label in records["label"]]
        if max(Counter(labels).values()) < 2:
            return records, records
        kept, held = split(labels, share, seed, groups_of(records))
        return records.select(kept), records.select(held)

    def warm_start(self, encoder: Encoder, train: LabeledRows, validation: LabeledRows) -> None:
        """Set the class means, and the scale with the lowest validation loss."""
        features, targets = pooled_features(encoder, train, np.arange(len(train)))
        self.centre.copy_(features.mean(0))
        unit = self._unit(features)
        self.means.copy_(
            torch.stack([unit[targets == index].mean(0) for index in range(len(self.labels))])
        )
        held, truth = pooled_features(encoder, validation)
        distances = self._distances(held)
        losses = [F.cross_entropy(-scale * distances, truth).item() for scale in _SCALES]
        self.scale.fill_(_SCALES[losses.index(min(losses))])

    def logits(self, features: Tensor) -> Tensor:
        """Return scores (B,classes) before the softmax."""
        return -self.scale * self._distances(features.float())

    def forward(self, features: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` and ``accuracy`` against ``labels`` (B,)."""
        return class_loss(self.logits(features), batch["labels"])

    def predictions(self, features: Tensor, batch: Batch) -> list[dict[str, Any]]:
        """Return ``label``, its probability ``score``, and ``scores`` of all labels by name."""
        return class_predictions(self.labels, self.logits(features))

    def measure(self, encoder: Encoder, rows: LabeledRows) -> dict[str, float]:
        """Return the ``accuracy``."""
        features, targets = pooled_features(encoder, rows)
        return {"accuracy": float((self.logits(features).argmax(1) == targets).float().mean())}

    def alternatives(self, train: Dataset, val: Dataset) -> list[Alternative]:
        """Return logistic regression on the strongest simple features of the kind of data."""
        return classified(self, train, val)

    def portable(self) -> PortableHead:
        """Return the probabilities by the distances to the class means."""
        return of_classes(self.name, self.labels, self.logits, self)

    def arguments(self) -> dict[str, Any]:
        """Return labels and size."""
        return {"labels": self.labels, "width": len(self.centre)}

    def _unit(self, features: Tensor) -> Tensor:
        return F.normalize(features - self.centre, dim=1)

    def _distances(self, features: Tensor) -> Tensor:
        """Return squared distances (B,classes)."""
        return (self._unit(features)[:, None] - self.means).square().sum(2)
