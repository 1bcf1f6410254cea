"""Multi-label classification: any number of labels per record, one sigmoid each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from headstart.config import EvaluateConfig, SplitOptions
from headstart.downstream import Task
from headstart.downstream.alternatives import Alternative, multilabeled
from headstart.downstream.frozen import Standardisation, pooled_features
from headstart.downstream.head import zero_linear
from headstart.downstream.portable import CLASSES, Activated, PortableHead
from headstart.downstream.rows import LabeledRows
from headstart.errors import HeadstartError
from headstart.evaluation.protocols.multilabel import solve
from headstart.evaluation.protocols.reading import read_several

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig
    from headstart.data.audit import Audit
    from headstart.encoders import Encoder
    from headstart.modalities import Modality

_STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)


class MultiLabel(Task):
    """Dropout and one linear layer (D -> labels) on ``pooled`` (B,D), a sigmoid for each label.

    The loss is the binary cross-entropy, averaged over records and labels.

    Args:
        width: D, the size of the features.
        labels: what a record may have, in the order of the outputs.
        thresholds: (labels,) the probability from which on each is predicted.
        finds: whether :meth:`measure` chooses the thresholds.
        dropout: share of the features that is hidden while training.
    """

    name: ClassVar[str] = "multilabel"

    def __init__(
        self,
        width: int,
        labels: list[str],
        thresholds: list[float],
        *,
        finds: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.labels, self.thresholds, self.finds = labels, thresholds, finds
        self.dropout = nn.Dropout(dropout)
        self.linear = zero_linear(width, len(labels))

    @staticmethod
    def read(source: str, options: FinetuneConfig, modality: Modality, audit: Audit) -> Dataset:
        """Read records with a list of labels each, from lists or from texts with a separator."""
        plain = options.model_dump(include=set(SplitOptions.model_fields))
        config = EvaluateConfig(
            run=source, train=options.train, label_separator=options.label_separator, **plain
        )
        return read_several(source, config, modality, None, audit)

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head for the labels that occur in ``records``.

        Raises:
            HeadstartError: no label occurs, or all records have all of them.
        """
        labels = sorted({label for found in records["label"] for label in found})
        if not labels:
            raise HeadstartError(
                "multilabel needs training records that have labels, but none has one; check "
                "--column label=COLUMN and --label-separator."
            )
        if all(len(found) == len(labels) for found in records["label"]):
            raise HeadstartError(
                f"every training record has the same label(s), such as {labels[0]!r}, so there is "
                "nothing to learn; check --column label=COLUMN and --label-separator."
            )
        return cls(
            encoder.width,
            labels,
            [config.threshold or 0.5] * len(labels),
            finds=config.threshold == 0,
            dropout=config.dropout,
        )

    def targets(self, records: Dataset) -> Tensor:
        """Return 1 where a record has a label (N,labels); unknown labels are ignored."""
        rows = [[float(label in found) for label in self.labels] for found in records["label"]]
        return torch.tensor(rows).view(-1, len(self.labels))

    def warm_start(self, encoder: Encoder, train: LabeledRows, validation: LabeledRows) -> None:
        """Set the head to logistic regressions on the frozen features, one per label.

        All share one L2 penalty, the one with the lowest validation loss.
        """
        features, targets = pooled_features(encoder, train)
        held, truth = pooled_features(encoder, validation)
        standardise = Standardisation.of(features)
        standard = standardise(features).numpy()
        best = float("inf")
        for strength in _STRENGTHS:
            found = solve(standard, targets.numpy() > 0, strength)
            weight, bias = standardise.folded(*(torch.from_numpy(part).float() for part in found))
            loss = binary_cross_entropy_with_logits(held @ weight.T + bias, truth).item()
            if loss < best:
                best = loss
                self.linear.load_state_dict({"weight": weight, "bias": bias})

    def logits(self, features: Tensor) -> Tensor:
        """Return scores (B,labels) before the sigmoid."""
        return self.linear(self.dropout(features)).float()

    def forward(self, features: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss``, and ``accuracy``: the share of labels predicted right at 0.5."""
        logits, targets = self.logits(features), batch["labels"]
        return {
            "loss": binary_cross_entropy_with_logits(logits, targets),
            "accuracy": ((logits > 0) == (targets > 0)).float().mean(),
        }

    def predictions(self, features: Tensor, batch: Batch) -> list[dict[str, Any]]:
        """Return ``labels`` above their thresholds, and the probabilities of all, ``scores``."""
        rows = []
        for row in self.logits(features).sigmoid().tolist():
            held = zip(self.labels, row, self.thresholds, strict=True)
            rows.append(
                {
                    "labels": [label for label, probability, least in held if probability >= least],
                    "scores": dict(zip(self.labels, row, strict=True)),
                }
            )
        return rows

    @torch.no_grad()
    def measure(self, encoder: Encoder, rows: LabeledRows) -> dict[str, float]:
        """Return ``micro_f1``, ``macro_f1`` and ``exact`` (all labels right), 0..1.

        If thresholds are to be chosen, each label gets the one with its best F1 on these rows. The
        scores are then cross-fitted, each half of the rows at the thresholds of the other, so that
        they are not optimistic.
        """
        logits = [self.logits(features) for features, _ in self.scan(encoder, rows)]
        probabilities, truth = torch.cat(logits).sigmoid().cpu().numpy(), rows.targets.numpy() > 0
        scores = self.scores(probabilities, truth)
        if self.finds:
            self.thresholds = best_thresholds(probabilities, truth).tolist()
        return scores

    def alternatives(self, train: Dataset, val: Dataset) -> list[Alternative]:
        """Return logistic regressions on the strongest simple features of the kind of data."""
        return multilabeled(self, train, val, self.scores)

    def scores(self, probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Return the scores of probabilities (N,labels), cross-fitted if thresholds are chosen."""
        from sklearn.metrics import f1_score

        found = probabilities >= np.array(self.thresholds)
        if self.finds:
            half = np.arange(len(truth)) % 2 == 0
            for one in (half, ~half):
                found[one] = probabilities[one] >= best_thresholds(probabilities[~one], truth[~one])
        return {
            "micro_f1": float(f1_score(truth, found, average="micro", zero_division=0)),
            "macro_f1": float(f1_score(truth, found, average="macro", zero_division=0)),
            "exact": float((truth == found).all(1).mean()),
        }

    def portable(self) -> PortableHead:
        """Return the probability of each label; its thresholds stand beside them."""
        network = Activated(self, self.logits, torch.sigmoid)
        about = {
            "task": self.name,
            "labels": self.labels,
            "thresholds": self.thresholds,
            "scores": "probabilities",
        }
        least = np.array(self.thresholds)
        return PortableHead(network, about, CLASSES, lambda scores: scores >= least)

    def arguments(self) -> dict[str, Any]:
        """Return labels, thresholds, sizes and dropout."""
        return {
            "labels": self.labels,
            "thresholds": self.thresholds,
            "width": self.linear.in_features,
            "dropout": self.dropout.p,
        }


def best_thresholds(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return for each label (L,) the threshold with the best F1; 0.5 for labels that do not occur.

    Args:
        probabilities: (N,L) 0..1; truth: (N,L) bool.
    """
    from sklearn.metrics import precision_recall_curve

    best = np.full(probabilities.shape[1], 0.5)
    for index in np.flatnonzero(truth.any(0)):
        precision, recall, thresholds = precision_recall_curve(
            truth[:, index], probabilities[:, index]
        )
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best[index] = thresholds[int(f1[:-1].argmax())]
    return best
