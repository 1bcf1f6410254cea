"""Fitting what is best on frozen features, and setting a head to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from headstart.downstream.frozen import pooled_features
from headstart.downstream.fused import Fused
from headstart.encoders import blocks_of
from headstart.evaluation.heads.auto import Auto
from headstart.evaluation.heads.calibration import UNCHANGED
from headstart.evaluation.heads.chosen import Chosen
from headstart.evaluation.heads.linear import Fitted
from headstart.evaluation.heads.logistic import LogisticRegression
from headstart.evaluation.heads.sides import LinearSide, Names, SpreadSide, View
from headstart.seeding import derive

if TYPE_CHECKING:
    from headstart.batch import Batch
    from headstart.downstream.rows import TargetRows
    from headstart.encoders import Encoder


class LinearHead(Protocol):
    """A head with one linear layer on the pooled features, such as that of classification.

    Attributes:
        linear: the layer (D -> classes).
        unit: whether features are scaled to unit length before it.
        wide: a further part whose scores are added, if any.
        fused: what replaces them all, if anything does.
    """

    labels: list[Any]
    linear: nn.Linear
    unit: bool
    wide: Any
    fused: Fused | None
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


class Fitting:
    """How heads are fitted to labels: with these class names and these unlabeled records.

    Args:
        encoder: whose features are the labels'.
        names: class names as rows.
        others: (U,D) features of unlabeled records; None where there are none.
        seed: deals the folds.
        keep_pool: whether a head may keep the vectors of unlabeled records.
    """

    def __init__(
        self,
        encoder: Encoder,
        names: TargetRows | None,
        others: np.ndarray | None,
        seed: int,
        keep_pool: bool = True,
    ) -> None:
        self._others, self._seed, self._keep_pool = others, seed, keep_pool
        #: What may be kept of the unlabeled records.
        self.kept = others if keep_pool else None
        self._blocks = blocks_of(encoder)
        self._names: Names | None = None
        if names is not None:
            found = pooled_features(encoder, names, np.arange(len(names)))
            self._names = Names(*arrays(*found))

    def __call__(
        self, features: np.ndarray, classes: np.ndarray, scaled: np.ndarray | None = None
    ) -> Chosen:
        """Return what is best for features (n,D) of classes (n,).

        Args:
            scaled: (m,D) further records that say how features vary, and nothing else.
        """
        others = features[:0] if scaled is None else scaled
        if self._others is not None:
            others = self._others
        known = np.concatenate([features, others])
        if not len(known) and self._names is not None:
            known = self._names.rows
        head = Auto(
            known,
            names=self._names,
            blocks=self._blocks,
            first=len(features),
            spreads=self._others is not None,
            ten_folds=True,
        )
        rng = np.random.Generator(np.random.PCG64(derive(self._seed, "frozen head")))
        chosen = head.fit(features, classes, rng)
        return chosen if self._keep_pool else distilled(chosen, known, len(features))


def distilled(chosen: Chosen, known: np.ndarray, labeled: int) -> Chosen:
    """Return logistic regression on what a head says of all records, so that none need be kept.

    It learns the likeliest class of the surer half of each class, and of the labeled ones.

    Args:
        known: (N,D) features of all records, the ``labeled`` first.
    """
    if not any(isinstance(side, SpreadSide) for side in chosen.sides):
        return chosen
    logs = chosen.log_probabilities(known)
    guessed, sure = logs.argmax(1), logs.max(1)
    taken = np.arange(len(known)) < labeled
    for code in np.unique(guessed):
        found = np.flatnonzero(guessed == code)
        taken[found[sure[found] >= np.median(sure[found])]] = True
    rng = np.random.Generator(np.random.PCG64(0))
    fitted = LogisticRegression(known).fit(known[taken], guessed[taken], rng)
    selection = chosen.selection._replace(
        name="logistic regression on what labels spread to",
        reason=f"{chosen.selection.name} has the {chosen.selection.reason}, without its records",
    )
    side = LinearSide(View(), fitted)
    return replace(chosen, sides=(side,), selection=selection, calibration=UNCHANGED)


def set_head(head: LinearHead, chosen: Chosen) -> None:
    """Set a head so that its scores are those of ``chosen``; plain regression is its layer."""
    head.wide, head.fused = None, None
    first = chosen.sides[0]
    fitted = first.fitted if isinstance(first, LinearSide) else None
    if fitted is None or len(chosen.sides) > 1 or first.view.parts or _lacks(fitted, head):
        head.fused = Fused.of(chosen)
        return
    head.unit = fitted.unit
    temperature = chosen.calibration.temperature
    with torch.no_grad():
        head.linear.weight.copy_(torch.from_numpy(fitted.weights.T) / temperature)
        head.linear.bias.copy_(torch.from_numpy(fitted.bias) / temperature)


def _lacks(fitted: Fitted, head: LinearHead) -> bool:
    """Return whether a class of the head has no example."""
    return len(fitted.classes) < len(head.labels)


def arrays(features: Tensor, targets: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return features and targets as arrays."""
    return features.numpy(), targets.numpy()
