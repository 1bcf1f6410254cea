"""Logistic regression on frozen features, and when it replaces the fine-tuned network.

With few labels a fine-tuned network is often worse than logistic regression on the features that it
started from: the few records held out cannot say when to stop, and it does not learn from them. So
both are compared on the held-out records, and the simpler one is kept unless the other is clearly
better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from headstart.downstream.frozen import frozen_features, pooled_features
from headstart.downstream.rows import batches
from headstart.downstream.spread import Spread
from headstart.evaluation.heads.linear import Fitted
from headstart.evaluation.heads.logistic import LogisticRegression
from headstart.evaluation.heads.propagation import LabelPropagation, Propagated
from headstart.seeding import derive

if TYPE_CHECKING:
    from headstart.batch import Batch, Rows
    from headstart.downstream.rows import TargetRows
    from headstart.encoders import Encoder

#: Up to so many labels a class the network must be better by two standard errors; from there on the
#: bound falls in proportion to the number of labels.
FEW, ERRORS = 10, 2.0


@dataclass(frozen=True)
class Choice:
    """Which of the two was right on how many held-out records, and which is taken.

    Attributes:
        frozen: whether logistic regression on the frozen features is taken.
        held_out: number of records compared on.
        network, regression: how many each had right.
        labels: mean number of training records of a class.
        validation: accuracy of the regression by cross-validation inside the training labels; NaN
            where a class has one.
        sample: how many training records the regression is fitted to, and of how many; None for
            all.
    """

    frozen: bool
    held_out: int
    network: int
    regression: int
    labels: float
    validation: float = math.nan
    sample: tuple[int, int] | None = None

    @classmethod
    def between(
        cls,
        network: np.ndarray,
        regression: np.ndarray,
        labels: float,
        validation: float = math.nan,
        sample: tuple[int, int] | None = None,
    ) -> Choice:
        """Compare two classifiers by the records that only one of them has right.

        Of ``n`` such records, a difference by chance has a standard deviation of ``sqrt(n)``
        (McNemar's test). The network must exceed a multiple of it that depends on ``labels``.

        Args:
            network, regression: (m,) bool, whether each was right on a held-out record.
        """
        only = int((network & ~regression).sum()), int((regression & ~network).sum())
        least = ERRORS * min(1.0, FEW / labels) * float(np.sqrt(sum(only)))
        right = int(network.sum()), int(regression.sum())
        return cls(only[0] - only[1] <= least, len(network), *right, labels, validation, sample)

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        folds = {} if math.isnan(self.validation) else {"cross_validated": self.validation}
        return {
            "taken": "logistic regression" if self.frozen else "fine-tuned network",
            "held_out": self.held_out,
            "fine_tuned": self.network / self.held_out,
            "logistic_regression": self.regression / self.held_out,
            **folds,
            **({"fitted_to": self.sample[0]} if self.sample else {}),
        }

    def __str__(self) -> str:
        network, regression = (
            f"{right / self.held_out:.1%}" for right in (self.network, self.regression)
        )
        scores = (
            f"of {self.held_out:,} held-out records the fine-tuned network has {network} right, "
            f"logistic regression on the frozen features {regression}"
        )
        if self.sample:
            fitted, of = self.sample
            scores += f" (fitted to {fitted:,} of the {of:,} training records)"
        if not self.frozen:
            return f"The fine-tuned network is taken: {scores}."
        doubt = (
            f"; with {self.labels:.0f} labels a class that difference is too small to rely on"
            if self.network > self.regression
            else ""
        )
        return f"Logistic regression is taken, and the encoder stays as it was: {scores}{doubt}."


class LinearHead(Protocol):
    """A head with one linear layer on the pooled features, such as that of classification.

    Attributes:
        linear: the layer (D -> classes).
        unit: whether features are scaled to unit length before it.
        wide: a further part whose scores are added, if any.
        spread: what labels spread to over unlabeled records, if any.
    """

    labels: list[Any]
    linear: nn.Linear
    unit: bool
    wide: Any
    spread: Spread | None
    eval_batch_size: ClassVar[int]

    def eval(self) -> Any:
        """Set evaluation mode."""
        ...

    def features(self, encoder: Encoder, batch: Batch) -> Any:
        """Return the features that the head uses."""
        ...

    def logits(self, features: Tensor, batch: Batch) -> Tensor:
        """Return scores (B,classes) before the softmax."""
        ...


class FrozenHead:
    """Logistic regression on the features of the encoder as it was before the training.

    It is fitted to at most about 20,000 training records, an even sample of more.

    Args:
        encoder: not trained yet.
        head: whose linear layer :meth:`set_part` and :meth:`set_all` set.
        train, held: labeled rows.
        seed: deals the folds that choose scaling and penalty.
        others: (U,D) features of unlabeled records, over which the labels are spread.
    """

    def __init__(
        self,
        encoder: Encoder,
        head: LinearHead,
        train: TargetRows,
        held: TargetRows,
        seed: int,
        others: np.ndarray | None = None,
    ) -> None:
        self._head, self._seed = head, seed
        self._records = len(train)
        self._train, self._targets = _arrays(*frozen_features(encoder, train))
        self._held, self._truth = _arrays(*pooled_features(encoder, held, np.arange(len(held))))
        self._others = others
        # What is measured must not have seen the held-out records, not even in the graph.
        self._part = self._fit(self._train, self._targets)

    @property
    def spreads(self) -> bool:
        """Whether spreading the labels does better by cross-validation inside them.

        Where a class has a single label nothing can be cross-validated; then it does where the
        labels reach enough of the records.
        """
        fitted = self._part
        if not isinstance(fitted, Propagated) or fitted.beliefs is None:
            return False
        return not fitted.validation <= fitted.linear.validation

    def compare(self, encoder: Encoder, held: Rows) -> Choice:
        """Compare the trained ``encoder`` with its head to the regression on the training part."""
        encoder.eval()
        self._head.eval()
        guessed = []
        with torch.no_grad():
            for batch in batches(held, self._head.eval_batch_size):
                features = self._head.features(encoder, batch)
                guessed.append(self._head.logits(features, batch).argmax(1).numpy())
        regression = self._part.predict(self._held) == self._truth
        labels = self._records / len(self._head.labels)
        network = np.concatenate(guessed) == self._truth
        fitted = len(self._targets)
        sample = (fitted, self._records) if fitted < self._records else None
        return Choice.between(network, regression, labels, self._part.validation, sample)

    def set_part(self) -> None:
        """Set the head to the regression on the training part alone, to be measured."""
        _set(self._head, self._part)

    def set_all(self) -> None:
        """Set the head to the regression on the training part and the held-out records together."""
        features = np.concatenate([self._train, self._held])
        _set(self._head, self._fit(features, np.concatenate([self._targets, self._truth])))

    def _fit(self, features: np.ndarray, classes: np.ndarray) -> Fitted | Propagated:
        probe: LogisticRegression | LabelPropagation
        if self._others is None:
            probe = LogisticRegression(np.concatenate([self._train, self._held]))
        else:
            probe = LabelPropagation(np.concatenate([features, self._others]), len(features))
        rng = np.random.Generator(np.random.PCG64(derive(self._seed, "frozen head")))
        return probe.fit(features, classes, rng)


def _arrays(features: Tensor, targets: Tensor) -> tuple[np.ndarray, np.ndarray]:
    return features.numpy(), targets.numpy()


def _set(head: LinearHead, fitted: Fitted | Propagated) -> None:
    """Set the linear layer of a head so that its scores are those of ``fitted``."""
    if isinstance(fitted, Propagated):
        head.spread, fitted = Spread.of(fitted), fitted.linear
    head.wide, head.unit = None, fitted.unit
    with torch.no_grad():
        head.linear.weight.copy_(torch.from_numpy(fitted.weights.T))
        head.linear.bias.copy_(torch.from_numpy(fitted.bias))
