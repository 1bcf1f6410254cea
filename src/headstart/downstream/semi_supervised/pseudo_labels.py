"""Pseudo-labels: confident predictions of a teacher become labels of unlabeled records.

The teacher is the head that was fitted to the labels, on frozen features. In each round it labels
the unlabeled records, the most confident share of each class is taken, and it is fitted again to
them and the labels; the share grows from round to round (Lee 2013; curriculum labeling,
Cascante-Bonilla et al. 2021, https://arxiv.org/abs/2001.06001). Then the whole network is
fine-tuned on the labels and the last pseudo-labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from headstart.config import SemiOptions
from headstart.downstream.classification import Classification, logistic_regression
from headstart.downstream.finetuning import Finetuning
from headstart.downstream.frozen import frozen_features
from headstart.downstream.semi_supervised.unlabeled import classifier_of, features_of, joined

if TYPE_CHECKING:
    from headstart.batch import Batch, Rows
    from headstart.downstream.rows import LabeledRows

#: Inverse L2 penalty (scikit-learn's C) of a teacher that is fitted to pseudo-labels too.
STRENGTH = 0.1


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
        tuned: an encoder and a head that was fitted to ``rows``; the head is fitted again to
            these and the pseudo-labels.
        held: labeled rows that the penalty of that fit is chosen by.
    """
    head = classifier_of(tuned)
    features, targets = frozen_features(tuned.encoder, rows)
    known = features_of(tuned.encoder, others, say)
    with torch.no_grad():
        probabilities = aligned(head.eval().linear(known).softmax(1), _shares(targets, head))
    indices, guessed = torch.empty(0, dtype=torch.long), targets[:0]
    for turn in range(options.rounds):
        share = options.share * (turn + 1) / options.rounds
        indices, guessed = surest(probabilities, share)
        teacher = logistic_regression(
            torch.cat([features, known[indices]]),
            torch.cat([targets, guessed]),
            strength=STRENGTH,
        )
        probabilities = aligned(teacher(known).softmax(1), _shares(targets, head))
    indices, guessed = surest(probabilities, options.share)
    soft = (
        probabilities[indices]
        if options.targets == "soft"
        else one_hot(guessed, probabilities.shape[1])
    )
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


def surest(probabilities: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return the most confident ``share`` of each predicted class: indices and classes.

    Of the records whose likeliest class is c, those with the highest probability of it are
    taken, so that an easy class does not crowd out the others (class-balanced self-training, Zou et
    al. 2018, section 4.2, https://arxiv.org/abs/1810.07911). Every predicted class has one record.

    Args:
        probabilities: (N,classes).

    Returns:
        Sorted indices (n,), and classes (n,).
    """
    best, guess = probabilities.max(1)
    taken = []
    for label in range(probabilities.shape[1]):
        found = torch.nonzero(guess == label)[:, 0]
        count = min(len(found), max(1, round(share * len(found))))
        taken.append(found[best[found].argsort(descending=True, stable=True)[:count]])
    indices = torch.cat(taken).sort().values
    return indices, guess[indices]


def aligned(probabilities: Tensor, shares: Tensor, *, turns: int = 20) -> Tensor:
    """Return probabilities (N,classes) whose mean over the records is ``shares`` (classes,).

    A teacher of few labels is biased towards one class; weights of the classes correct that
    (distribution alignment, Berthelot et al. 2020, section 3.1, https://arxiv.org/abs/1911.09785;
    here repeated until the mean is reached).
    """
    for _ in range(turns):
        probabilities = probabilities * (shares / probabilities.mean(0).clamp(min=1e-12))
        probabilities = probabilities / probabilities.sum(1, keepdim=True)
    return probabilities


class PseudoLabeled:
    """Labeled rows, then rows with pseudo-labels: ``labels`` (B,), ``probabilities`` (B,classes).

    Args:
        others: unlabeled rows; indices: (n,) which of them have pseudo-labels.
        soft: (n,classes) the probabilities of their classes.
    """

    def __init__(
        self, labeled: LabeledRows, others: Rows, indices: np.ndarray, soft: Tensor
    ) -> None:
        self._labeled, self._others, self._indices = labeled, others, indices
        sure = one_hot(labeled.targets, soft.shape[1]).float()
        self.probabilities = torch.cat([sure, soft])
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
        return {**batch, "labels": self.targets[order], "probabilities": self.probabilities[order]}


def _shares(targets: Tensor, head: Classification) -> Tensor:
    """Return how frequent each class is among the labels (classes,)."""
    counts = torch.bincount(targets, minlength=len(head.labels)).float()
    return counts / counts.sum()
