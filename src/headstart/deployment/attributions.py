"""What each position of a record adds to the score of a class: integrated gradients.

The explained value is the log-odds of a class against another one: the difference of their logits,
which is the logarithm of the ratio of their probabilities. A probability near 0 or 1 hardly moves,
whatever is taken out of the record; the log-odds do. The gradients are captum's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.batch import Batch
    from headstart.downstream.classification import Classification
    from headstart.encoders import Encoder, TokenEncoder

#: First and largest number of steps, and the share of the change that may remain unexplained
#: (Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365, section 5: 20 to 300 steps, 5%).
FEWEST, MOST, TOLERANCE = 32, 256, 0.05
#: Unexplained log-odds that are always accepted: they move a probability by a quarter of a percent.
NEGLIGIBLE = 0.01
#: Input values that go through the network at once.
_AT_ONCE = 2**22


@dataclass(frozen=True)
class Attribution:
    """The log-odds of two classes, attributed to the parts of a record.

    Attributes:
        weights: what each token (T,), or each element of a tensor, adds to the log-odds.
        evidence: the log-odds of the record.
        baseline: those of the blank record.
    """

    weights: Tensor
    evidence: float
    baseline: float

    @property
    def unexplained(self) -> float:
        """The error of completeness: ``evidence - baseline - weights.sum()``."""
        return self.evidence - self.baseline - float(self.weights.sum())


def require_captum() -> Any:
    """Return ``captum.attr``, or say how to get it."""
    try:
        import captum.attr
    except ImportError:
        raise HeadstartError(
            "explanations by gradients need the extra `explain`: install it with `pip install "
            "'headstart[explain]'`, or use --method rollout where the encoder is a transformer."
        ) from None
    return captum.attr


@dataclass(frozen=True)
class LogOdds:
    """The log-odds of one class against another, as indices of the head's outputs.

    Attributes:
        target: the class that is explained.
        against: the likeliest of the others, on the record that is explained.
    """

    target: int
    against: int

    @classmethod
    def of(cls, logits: Tensor, target: int) -> LogOdds:
        """Return those of ``target`` for a record with these ``logits`` (classes,)."""
        others = logits.clone()
        others[target] = -torch.inf
        return cls(target, int(others.argmax()))

    def __call__(self, logits: Tensor) -> Tensor:
        """Return the log-odds (...) of logits (...,classes); 0 where both are as likely."""
        return logits[..., self.target] - logits[..., self.against]


def integrated_gradients(
    score: Callable[[Tensor], Tensor], inputs: Tensor, baseline: Tensor
) -> tuple[Tensor, float]:
    """Return what each element of ``inputs`` adds to ``score(inputs) - score(baseline)``.

    Sundararajan et al. 2017, equation 2. The number of steps is doubled until the sum is right to
    :data:`TOLERANCE` (their proposition 1, completeness), up to :data:`MOST`.

    Args:
        score: from rows (n,...) to scores (n,); each row must be scored independently.
        inputs, baseline: one row (1,...).

    Returns:
        Attributions (1,...), and the error of their sum.
    """
    method = require_captum().IntegratedGradients(score)
    with torch.no_grad():
        change = float(score(inputs) - score(baseline))
    steps = FEWEST
    while True:
        found, missed = method.attribute(
            inputs,
            baselines=baseline,
            n_steps=steps,
            internal_batch_size=max(1, min(steps, _AT_ONCE // inputs.numel())),
            return_convergence_delta=True,
        )
        if abs(float(missed)) <= TOLERANCE * abs(change) + NEGLIGIBLE or steps >= MOST:
            return found.detach(), float(missed)
        steps *= 2


def of_tokens(
    encoder: TokenEncoder, head: Classification, batch: Batch, blank: Batch, odds: LogOdds
) -> Attribution:
    """Return what each token adds to the log-odds of two classes.

    In the deep part the path starts from the input vectors of the blank row. The wide part is a sum
    over tokens and n-grams, so its attribution is exact; its baseline is the empty text.

    Args:
        batch: one row, ``input_ids`` and ``mask`` (1,T).
        blank: the same row, every token blank.
    """

    def score(vectors: Tensor) -> Tensor:
        pooled = encoder.from_vectors(vectors, repeated(batch, len(vectors))).pooled
        return odds(head.deep(pooled))

    with torch.no_grad():
        vectors, baseline = encoder.embed(batch), encoder.embed(blank)
    found = _attributed(score, vectors, baseline)
    weights, after = found.weights.sum(1), found.evidence
    if head.wide is not None:
        with torch.no_grad():
            wide = odds(head.wide.parts(batch))[0]
        weights, after = weights + wide, after + float(wide.sum())
    return Attribution(weights, after, found.baseline)


def of_inputs(
    encoder: Encoder, head: Classification, batch: Batch, blank: Batch, tensor: str, odds: LogOdds
) -> Attribution:
    """Return what each element of a tensor adds to the log-odds of two classes.

    Args:
        batch: one row.
        blank: the same row without content, the baseline.
        tensor: the name of the float tensor (1,...) that is attributed to.
    """

    def score(values: Tensor) -> Tensor:
        pooled = encoder.pool({**repeated(batch, len(values)), tensor: values})
        return odds(head.deep(pooled))

    return _attributed(score, batch[tensor], blank[tensor])


def repeated(batch: Batch, count: int) -> Batch:
    """Return a batch of one row, repeated ``count`` times."""
    return {name: tensor.expand(count, *tensor.shape[1:]) for name, tensor in batch.items()}


def _attributed(score: Callable[[Tensor], Tensor], inputs: Tensor, baseline: Tensor) -> Attribution:
    with torch.no_grad():
        before, after = float(score(baseline)), float(score(inputs))
    found, _ = integrated_gradients(score, inputs, baseline)
    return Attribution(found[0], after, before)
