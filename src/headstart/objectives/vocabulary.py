"""The loss of predicted ids: over the whole vocabulary, or where it is large over a few negatives.

Logits of a million ids for each of some thousand positions fill the memory. A sampled loss compares
each target with a few ids that are drawn once for the whole batch: one product of matrices, and
gradients of a few rows of the table.

- ``sampled``: softmax over the target and the negatives, the logit of each negative less the
  logarithm of the probability that it is among them, so that the sum below the fraction is on
  average that of the full softmax (Bengio and Senecal 2008, "Adaptive Importance Sampling to
  Accelerate Training of a Neural Probabilistic Language Model", section III). The target is there
  whatever is drawn, so that its logit is as it is; with a correction of that too, as in Yi et al.
  2019 ("Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", equation
  3), rare targets look easier than they are. Ids are drawn by their counts in training, plus 1, to
  the power 0.75, as in word2vec: rare ones are drawn often enough to be learned.
- ``gbce``: binary cross-entropy with uniform negatives, calibrated for their number (Petrov and
  Macdonald 2023, "gSASRec: Reducing Overconfidence in Sequential Recommendation Trained with
  Negative Sampling", equations 4 and 8). It orders ids; its logits are no log-probabilities.

The target is never its own negative. The value of ``sampled`` is an estimate of the full loss, a
little below it; that of ``gbce`` compares with none but those of the same number of negatives.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import IGNORE, Batch
from headstart.config import Options
from headstart.modalities import Vocabulary
from headstart.objectives.heads import TokenHead, loss_at_targets
from headstart.objectives.losses import cross_entropy, full_precision

#: The largest vocabulary whose loss is full by default: those of all languages together fit.
LARGE = 300_000
#: Power of the counts by which negatives are drawn.
POWER = 0.75
#: gSASRec's t: 0 is plain binary cross-entropy, 1 calibrates it fully.
CALIBRATION = 0.75


class VocabularyOptions(Options):
    """How ids are predicted out of a vocabulary."""

    loss: Literal["auto", "full", "sampled", "gbce"] = Field(
        "auto",
        description="Softmax over the whole vocabulary, sampled softmax, or gSASRec's calibrated "
        f"binary cross-entropy; auto is full up to {LARGE:,} ids, then sampled.",
    )
    negatives: int = Field(
        1024, ge=1, le=1_000_000, description="Negatives of a sampled loss, shared by the batch."
    )


class Negatives(nn.Module):
    """Draws the ids that the targets of a batch are compared with.

    Args:
        vocabulary: special ids that never occur are not drawn.
        number: of draws, with replacement; each id counts once.
        uniform: whether all are equally likely, and not by their counts.

    Attributes:
        candidates: number of ids that may be drawn.
        cumulative: (V,) float64, of the probabilities of one draw.
        log_chance: (V,) float32, logarithm of the probability that an id is among the negatives.
    """

    def __init__(self, vocabulary: Vocabulary, number: int, *, uniform: bool) -> None:
        super().__init__()
        self.number = number
        counts = np.zeros(vocabulary.size) if vocabulary.counts is None else vocabulary.counts
        weights = np.ones(vocabulary.size) if uniform else (counts + 1.0) ** POWER
        special = np.array(sorted(vocabulary.special_ids), dtype=np.int64)
        weights[special[counts[special] == 0]] = 0
        drawn = np.flatnonzero(weights)
        self.candidates, self._last = len(drawn), int(drawn[-1])
        share = weights / weights.sum()
        # A target that is never drawn, such as an unknown id, counts as the rarest one.
        chance = -np.expm1(number * np.log1p(-np.maximum(share, share[drawn].min())))
        self.cumulative: Tensor
        self.log_chance: Tensor
        self.register_buffer("cumulative", torch.from_numpy(share.cumsum()), persistent=False)
        self.register_buffer(
            "log_chance", torch.from_numpy(np.log(chance).astype(np.float32)), persistent=False
        )

    def draw(self, generator: torch.Generator) -> Tensor:
        """Return the negatives (K,), ascending, K at most :attr:`number`."""
        points = torch.rand(
            self.number,
            generator=generator,
            dtype=self.cumulative.dtype,
            device=self.cumulative.device,
        )
        found = torch.searchsorted(self.cumulative, points * self.cumulative[-1], right=True)
        return found.clamp_(max=self._last).unique()


class VocabularyLoss(nn.Module):
    """The loss of targets, as the options say.

    Example::

        loss = VocabularyLoss(processor.vocabulary, options)
        batch = loss.draw(batch, generator)  # in corrupt
        results = loss(head, vectors, batch)  # in forward

    Attributes:
        kind: ``full``, ``sampled`` or ``gbce``; as many negatives as ids are a full loss.
        sparse: whether the gradient of the output table is of the rows that are read.
    """

    def __init__(self, vocabulary: Vocabulary, options: VocabularyOptions) -> None:
        super().__init__()
        kind = options.loss
        if kind == "auto":
            kind = "full" if vocabulary.size <= LARGE else "sampled"
        if kind == "sampled" and options.negatives >= vocabulary.size:
            kind = "full"
        self.kind, self.sparse, self._large = kind, False, vocabulary.size > LARGE
        self.negatives: Negatives | None = None
        if kind != "full":
            uniform = kind == "gbce"
            self.negatives = Negatives(vocabulary, options.negatives, uniform=uniform)

    def draw(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with ``negatives`` (K,), where the loss has a use for them."""
        if self.negatives is None:
            return batch
        return {**batch, "negatives": self.negatives.draw(generator)}

    def forward(self, head: TokenHead, vectors: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the loss and the accuracy of vectors (B,T,D) at the ``targets`` of a batch."""
        if self.negatives is None:
            return loss_at_targets(head, vectors, batch["targets"])
        flat, negatives = batch["targets"].flatten(), batch["negatives"]
        where = flat.ne(IGNORE).nonzero().squeeze(1)
        targets = flat[where]
        found = head.transform(vectors.flatten(0, -2)[where])
        rows, bias = head.rows(torch.cat([targets, negatives]), sparse=self.sparse)
        if self.kind == "sampled":
            chances = self.negatives.log_chance[negatives]
            return sampled_softmax(found, rows, bias, targets, negatives, chances)
        rate = len(negatives) / max(1, self.negatives.candidates - 1)
        return gbce(found, rows, bias, targets, negatives, min(1.0, rate))

    def keep_rows(self, table: nn.Module, head: TokenHead) -> list[nn.Parameter]:
        """Have the gradients of input and output table hold the rows of a step; return both.

        There are none where the loss is full, and none where the table is small: a step over all
        rows costs little there, and rare ids learn faster, as their averages go on to move them.
        """
        if self.negatives is None or not self._large or not isinstance(table, nn.Embedding):
            return []
        self.sparse = table.sparse = True
        read = [*table.parameters(), *head.decoder.parameters()]
        return list(dict.fromkeys(each for each in read if each.ndim > 1))


@full_precision
def sampled_softmax(
    vectors: Tensor,
    rows: Tensor,
    bias: Tensor,
    targets: Tensor,
    negatives: Tensor,
    chances: Tensor,
) -> dict[str, Tensor]:
    """Return the estimated cross-entropy of each target, and how often it is above the negatives.

    Args:
        vectors: (N,D).
        rows: (N+K,D) of the output table, those of the targets first.
        bias: (N+K,) of them.
        targets: (N,) ids.
        negatives: (K,) ids, ascending.
        chances: (K,) logarithm of the probability that each is among the negatives.
    """
    own, others = _logits(vectors, rows, bias, targets, negatives)
    logits = torch.cat([own[:, None], others - chances], dim=1)
    if not len(targets):
        return _nothing(logits)
    loss, _ = cross_entropy(logits, torch.zeros_like(targets))
    return _results(loss, own, others, negatives)


@full_precision
def gbce(
    vectors: Tensor,
    rows: Tensor,
    bias: Tensor,
    targets: Tensor,
    negatives: Tensor,
    rate: float,
    calibration: float = CALIBRATION,
) -> dict[str, Tensor]:
    """Return gSASRec's loss, the mean over the target and the K negatives.

    ``-(beta log s(own) + sum log(1 - s(others))) / (K + 1)`` with the logistic function s and
    ``beta = rate (t (1 - 1 / rate) + 1 / rate)``.

    Args:
        rate: a, the share of the other ids that are negatives.
        calibration: t, from 0 to 1.
    """
    own, others = _logits(vectors, rows, bias, targets, negatives)
    if not len(targets):
        return _nothing(torch.cat([own[:, None], others], dim=1))
    beta = rate * (calibration * (1 - 1 / rate) + 1 / rate)
    loss = beta * F.softplus(-own) + F.softplus(others).sum(1)
    return _results(loss.mean() / (len(negatives) + 1), own, others, negatives)


def _logits(
    vectors: Tensor, rows: Tensor, bias: Tensor, targets: Tensor, negatives: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the logits of the targets (N,) and of the negatives (N,K), -inf for the target."""
    count = len(targets)
    own = (vectors * rows[:count]).sum(1) + bias[:count]
    others = F.linear(vectors, rows[count:], bias[count:])
    place = torch.searchsorted(negatives, targets).clamp(max=len(negatives) - 1)
    hit = (negatives[place] == targets).nonzero().squeeze(1)
    others[hit, place[hit]] = -torch.inf
    return own, others


def _results(loss: Tensor, own: Tensor, others: Tensor, negatives: Tensor) -> dict[str, Tensor]:
    right = (own.detach() > others.detach().amax(1)).float().mean()
    chance = loss.new_tensor(1 / (len(negatives) + 1)).detach()
    return {"loss": loss, "accuracy": right, "accuracy_chance": chance}


def _nothing(logits: Tensor) -> dict[str, Tensor]:
    """Return a loss of 0 with a gradient, so that a batch without targets is harmless."""
    zero = logits.new_zeros(())
    return {"loss": logits.sum() * 0.0, "accuracy": zero, "accuracy_chance": zero}
