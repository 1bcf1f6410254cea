"""What is best on frozen features, and when it replaces the fine-tuned network.

With few labels a fine-tuned network is often worse than logistic regression on the features that it
started from, or than what else the head ``auto`` chooses there: the few records held out cannot say
when to stop, and it does not learn from them. So both are compared on the held-out records, and the
simpler one is kept unless the other is clearly better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.downstream.fitting import Fitting, LinearHead, arrays, set_head
from headstart.downstream.frozen import frozen_features, pooled_features
from headstart.downstream.rows import batches
from headstart.evaluation.heads.calibration import UNCHANGED, Calibration, calibrated
from headstart.evaluation.heads.chosen import Chosen
from headstart.evaluation.heads.sides import SpreadSide

if TYPE_CHECKING:
    from headstart.batch import Rows
    from headstart.downstream.rows import TargetRows
    from headstart.encoders import Encoder

#: Up to so many labels a class the network must be better by two standard errors; from there on the
#: bound falls in proportion to the number of labels.
FEW, ERRORS = 10, 2.0


@dataclass(frozen=True)
class Choice:
    """Which of the two was right on how many held-out records, and which is taken.

    Attributes:
        frozen: whether the head on the frozen features is taken.
        held_out: number of records compared on.
        network, simple: how many each had right.
        labels: mean number of training records of a class.
        validation: accuracy of the head on frozen features by cross-validation inside the training
            labels; NaN where a class has one.
        sample: how many training records that head is fitted to, and of how many; None for all.
        name: of that head.
    """

    frozen: bool
    held_out: int
    network: int
    simple: int
    labels: float
    validation: float = math.nan
    sample: tuple[int, int] | None = None
    name: str = "logistic regression"

    @classmethod
    def between(
        cls,
        network: np.ndarray,
        simple: np.ndarray,
        labels: float,
        validation: float = math.nan,
        sample: tuple[int, int] | None = None,
        name: str = "logistic regression",
    ) -> Choice:
        """Compare two classifiers by the records that only one of them has right.

        Of ``n`` such records, a difference by chance has a standard deviation of ``sqrt(n)``
        (McNemar's test). The network must exceed a multiple of it that depends on ``labels``.

        Args:
            network, simple: (m,) bool, whether each was right on a held-out record.
        """
        only = int((network & ~simple).sum()), int((simple & ~network).sum())
        least = ERRORS * min(1.0, FEW / labels) * float(np.sqrt(sum(only)))
        right = int(network.sum()), int(simple.sum())
        taken = only[0] - only[1] <= least
        return cls(taken, len(network), *right, labels, validation, sample, name)

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        folds = {} if math.isnan(self.validation) else {"cross_validated": self.validation}
        return {
            "taken": self.name if self.frozen else "fine-tuned network",
            "held_out": self.held_out,
            "fine_tuned": self.network / self.held_out,
            "frozen": self.simple / self.held_out,
            **folds,
            **({"fitted_to": self.sample[0]} if self.sample else {}),
        }

    def __str__(self) -> str:
        network, simple = (f"{right / self.held_out:.1%}" for right in (self.network, self.simple))
        scores = (
            f"of {self.held_out:,} held-out records the fine-tuned network has {network} right, "
            f"{self.name} on the frozen features {simple}"
        )
        if self.sample:
            fitted, of = self.sample
            scores += f" (fitted to {fitted:,} of the {of:,} training records)"
        if not self.frozen:
            return f"The fine-tuned network is taken: {scores}."
        doubt = (
            f"; with {self.labels:.0f} labels a class that difference is too small to rely on"
            if self.network > self.simple
            else ""
        )
        name = self.name[0].upper() + self.name[1:]
        return f"{name} is taken, and the encoder stays as it was: {scores}{doubt}."


class FrozenHead:
    """What is best on the features of the encoder as it was before the training.

    It is fitted to at most about 20,000 training records, an even sample of more.

    Args:
        encoder: not trained yet.
        head: whose parts :meth:`set_part` and :meth:`set_all` set.
        train, held: labeled rows.
        seed: deals the folds that choose what is best.
        others: (U,D) features of unlabeled records, over which the labels may be spread.
        names: class names as rows, if there are any.
        keep_pool: whether a head may keep the vectors of unlabeled records.
        seen: whether the encoder has learned from the labels, so that only the held-out records say
            how sure it is.
    """

    def __init__(
        self,
        encoder: Encoder,
        head: LinearHead,
        train: TargetRows,
        held: TargetRows,
        seed: int,
        others: np.ndarray | None = None,
        *,
        names: TargetRows | None = None,
        keep_pool: bool = True,
        seen: bool = False,
    ) -> None:
        self._head, self._records = head, len(train)
        self._train, self._targets = arrays(*frozen_features(encoder, train))
        self._held, self._truth = arrays(*pooled_features(encoder, held, np.arange(len(held))))
        self._fitting = Fitting(encoder, names, others, seed, keep_pool)
        # What is measured must not have seen the held-out records, not even in the graph.
        self._part = self._fitting(self._train, self._targets, self._held)
        self._calibration: Calibration | None = None
        if seen:
            codes = np.searchsorted(self._part.classes, self._truth)
            plain = replace(self._part, calibration=UNCHANGED)
            self._calibration = calibrated(plain.log_probabilities(self._held), codes)
            self._part = replace(self._part, calibration=self._calibration)

    @property
    def chosen(self) -> Chosen:
        """What was chosen: for the training part, or for all after :meth:`set_all`."""
        return self._part

    @property
    def features(self) -> np.ndarray:
        """The features (n,D) of the labels that it was chosen for."""
        return self._train

    @property
    def others(self) -> np.ndarray | None:
        """The features (U,D) of unlabeled records that may be kept."""
        return self._fitting.kept

    @property
    def spreads(self) -> bool:
        """Whether the labels are spread over the unlabeled records."""
        return any(isinstance(side, SpreadSide) for side in self._part.sides)

    def compare(self, encoder: Encoder, held: Rows) -> Choice:
        """Compare the trained ``encoder`` with its head to what is best on the training part."""
        encoder.eval()
        self._head.eval()
        guessed = []
        with torch.no_grad():
            for batch in batches(held, self._head.eval_batch_size):
                features = self._head.features(encoder, batch)
                guessed.append(self._head.logits(features, batch).argmax(1).numpy())
        simple = self._part.predict(self._held) == self._truth
        labels = self._records / len(self._head.labels)
        network = np.concatenate(guessed) == self._truth
        fitted = len(self._targets)
        sample = (fitted, self._records) if fitted < self._records else None
        name = self._part.selection.name
        return Choice.between(network, simple, labels, self._part.validation, sample, name)

    def set_part(self) -> None:
        """Set the head to what is best on the training part alone, to be measured."""
        set_head(self._head, self._part)

    def set_all(self) -> None:
        """Set the head to what is best on the training part and the held-out records together."""
        self._train = np.concatenate([self._train, self._held])
        self._targets = np.concatenate([self._targets, self._truth])
        self._part = self._fitting(self._train, self._targets)
        if self._calibration is not None:
            self._part = replace(self._part, calibration=self._calibration)
        self.set_part()
