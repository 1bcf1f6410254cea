"""Pseudo-labels: what a teacher is sure of becomes the label of unlabeled records.

The teacher is the head that was fitted to the labels, on frozen features. In each round it labels
the unlabeled records, those of which it is surest are taken, equally many of each class in
proportion, and it is fitted anew to them and the labels; the share grows from round to round
(Lee 2013; curriculum labeling, Cascante-Bonilla et al. 2021). Then all of the network is fine-tuned
on the labels and the last pseudo-labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from headstart.config import SemiOptions
from headstart.downstream.classification import (
    Classification,
    frozen_features,
    logistic_regression,
)
from headstart.downstream.finetune import Finetuning
from headstart.downstream.semi_supervised.unlabeled import classifier_of, joined

if TYPE_CHECKING:
    from headstart.batch import Batch, Rows
    from headstart.downstream.rows import LabeledRows
    from headstart.encoders import Encoder

#: How weak the L2 penalty of a teacher is that is fitted to pseudo-labels too (scikit-learn's C).
STRENGTH = 0.1
_BATCH = 256


def pseudo_rows(
    tuned: Finetuning,
    rows: LabeledRows,
    held: LabeledRows,
    others: Rows,
    options: SemiOptions,
    say: Callable[[str], None],
) -> PseudoLabeled:
    """Return the labeled rows and those of ``others`` that have pseudo-labels, as one set.

    Args:
        tuned: an encoder and a head that was started from ``rows``; the head is started anew from
            all that has a label then.
        held: labeled rows that the strength of that start is chosen by.
    """
    head = classifier_of(tuned)
    features, targets = frozen_features(tuned.encoder, rows)
    known = _features(tuned.encoder, others)
    with torch.no_grad():
        chances = aligned(head.eval().linear(known).softmax(1), _shares(targets, head))
    indices, guessed = torch.empty(0, dtype=torch.long), targets[:0]
    for turn in range(options.rounds):
        share = options.share * (turn + 1) / options.rounds
        indices, guessed = surest(chances, share)
        teacher = logistic_regression(
            torch.cat([features, known[indices]]),
            torch.cat([targets, guessed]),
            strength=STRENGTH,
        )
        chances = aligned(teacher(known).softmax(1), _shares(targets, head))
    indices, guessed = surest(chances, options.share)
    soft = chances[indices] if options.targets == "soft" else one_hot(guessed, chances.shape[1])
    made = PseudoLabeled(rows, others, indices.numpy(), soft.float())
    say(
        f"{len(indices):,} of {len(others):,} unlabeled records have pseudo-labels after "
        f"{options.rounds} rounds."
    )
    # Naive Bayes learns the mistakes that pseudo-labels have in common, such as a topic that was
    # taken for the class; see ``docs/log.md``.
    head.widen = "off" if head.widen == "auto" else head.widen
    head.warm_start(tuned.encoder, made, held)
    return made


def surest(chances: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return the records that are taken and their classes: of each class the surest ``share``.

    Of the records whose likeliest class is c, those with the highest probability of it are
    taken, so that no class that is easy crowds the others out (class-balanced self-training, Zou et
    al. 2018, section 4.2). Every class that is anyone's likeliest keeps one record.

    Args:
        chances: (N,classes) probabilities.

    Returns:
        Sorted indices (n,), and classes (n,).
    """
    best, guess = chances.max(1)
    taken = []
    for label in range(chances.shape[1]):
        found = torch.nonzero(guess == label)[:, 0]
        count = min(len(found), max(1, round(share * len(found))))
        taken.append(found[best[found].argsort(descending=True, stable=True)[:count]])
    indices = torch.cat(taken).sort().values
    return indices, guess[indices]


def aligned(chances: Tensor, shares: Tensor, *, turns: int = 20) -> Tensor:
    """Return probabilities (N,classes) whose mean over the records is ``shares`` (classes,).

    A teacher of few labels leans to one class; weights of the classes take that back
    (distribution alignment, Berthelot et al. 2020, section 3.1, here until it is reached).
    """
    for _ in range(turns):
        chances = chances * (shares / chances.mean(0).clamp(min=1e-12))
        chances = chances / chances.sum(1, keepdim=True)
    return chances


class PseudoLabeled:
    """Labeled rows, then rows with pseudo-labels: ``labels`` (B,) and ``chances`` (B,classes).

    Args:
        others: unlabeled rows; indices: (n,) which of them have pseudo-labels.
        soft: (n,classes) the probabilities of their classes.
    """

    def __init__(
        self, labeled: LabeledRows, others: Rows, indices: np.ndarray, soft: Tensor
    ) -> None:
        self._labeled, self._others, self._indices = labeled, others, indices
        sure = one_hot(labeled.targets, soft.shape[1]).float()
        self.chances = torch.cat([sure, soft])
        self.targets = torch.cat([labeled.targets, soft.argmax(1)])

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def names(self) -> frozenset[str]:
        """Names of the tensors that the processor made."""
        return self._labeled.names

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the rows at ``indices`` (n,), the labeled ones first; the same in every epoch."""
        first = len(self._labeled)
        mine, theirs = indices[indices < first], indices[indices >= first]
        parts = []
        if len(mine):
            parts.append(self._labeled.batch(mine, epoch))
        if len(theirs):
            parts.append(self._others.batch(self._indices[theirs - first], epoch))
        batch = joined(parts)
        order = torch.from_numpy(np.concatenate([mine, theirs]))
        return {**batch, "labels": self.targets[order], "chances": self.chances[order]}


def _shares(targets: Tensor, head: Classification) -> Tensor:
    """Return how frequent each class is among the labels (classes,)."""
    counts = torch.bincount(targets, minlength=len(head.labels)).float()
    return counts / counts.sum()


def _features(encoder: Encoder, rows: Rows) -> Tensor:
    """Return pooled features (N,D) of all rows, from the frozen encoder."""
    encoder.eval()
    with torch.no_grad():
        return torch.cat(
            [
                encoder.pool(rows.batch(np.arange(s, min(s + _BATCH, len(rows))), 0)).float()
                for s in range(0, len(rows), _BATCH)
            ]
        )
