"""What each position of a record adds to the score of a class: integrated gradients.

Explained is one number, the evidence for a class: its score before the softmax, less the mean
over all classes, since what is added to all scores alike changes no prediction. The gradients are
captum's.
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

#: Steps of the path at first and at most, and the share of the change that may be left unexplained
#: (Sundararajan et al. 2017, section 5: 20 to 300 steps, and 5%).
FEWEST, MOST, TOLERANCE = 32, 256, 0.05
#: What may be left unexplained in any case: it moves a probability by a quarter of a percent.
NEGLIGIBLE = 0.01
#: Numbers that go through the network at one time.
_AT_ONCE = 2**22


@dataclass(frozen=True)
class Attribution:
    """How an evidence came about.

    Attributes:
        weights: what each token (T,), or each number of a tensor, adds to the evidence.
        evidence: of the record; nothing: of the record with nothing in it (the baseline).
        unexplained: ``evidence - nothing - weights.sum()``, what the steps of the path missed.
    """

    weights: Tensor
    evidence: float
    nothing: float

    @property
    def unexplained(self) -> float:
        """What the sum of the weights misses."""
        return self.evidence - self.nothing - float(self.weights.sum())


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


def evidence(logits: Tensor) -> Tensor:
    """Return scores (..., classes) less their mean over the classes."""
    return logits - logits.mean(-1, keepdim=True)


def integrated_gradients(
    score: Callable[[Tensor], Tensor], inputs: Tensor, baseline: Tensor
) -> tuple[Tensor, float]:
    """Return what each element of ``inputs`` adds to ``score(inputs) - score(baseline)``.

    Sundararajan et al. 2017, equation 2. The path has as many steps as it takes for the sum to be
    right to :data:`TOLERANCE` (their proposition 1, completeness), up to :data:`MOST`.

    Args:
        score: from rows (n,...) to (n,); each row must be scored by itself.
        inputs, baseline: one row (1,...).

    Returns:
        Attributions (1,...), and how far their sum is off.
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
    encoder: TokenEncoder, head: Classification, batch: Batch, blank: Batch, target: int
) -> Attribution:
    """Return what each token adds to the evidence for a class.

    In the deep half the path goes from the vectors of a row in which every token is blank. A wide
    half is a sum over tokens and runs, so its part is exact; its baseline is a text without any.

    Args:
        batch: one row, ``input_ids`` and ``mask`` (1,T).
        blank: the same row with nothing in it.
        target: the class.
    """

    def score(vectors: Tensor) -> Tensor:
        pooled = encoder.from_vectors(vectors, repeated(batch, len(vectors))).pooled
        return evidence(head.linear(pooled).float())[:, target]

    with torch.no_grad():
        vectors, nothing = encoder.embed(batch), encoder.embed(blank)
    found = _between(score, vectors, nothing)
    weights, after = found.weights.sum(1), found.evidence
    if head.wide is not None:
        with torch.no_grad():
            wide = evidence(head.wide.parts(batch))[0, :, target]
        weights, after = weights + wide, after + float(wide.sum())
    return Attribution(weights, after, found.nothing)


def of_inputs(
    encoder: Encoder, head: Classification, batch: Batch, blank: Batch, tensor: str, target: int
) -> Attribution:
    """Return what each number of a tensor adds to the evidence for a class.

    Args:
        batch: one row; blank: the same with nothing in it.
        tensor: the floats (1,...) between which and those of ``blank`` the path goes.
        target: the class.
    """

    def score(values: Tensor) -> Tensor:
        pooled = encoder.pool({**repeated(batch, len(values)), tensor: values})
        return evidence(head.linear(pooled).float())[:, target]

    return _between(score, batch[tensor], blank[tensor])


def repeated(batch: Batch, count: int) -> Batch:
    """Return one row as many."""
    return {name: tensor.expand(count, *tensor.shape[1:]) for name, tensor in batch.items()}


def _between(score: Callable[[Tensor], Tensor], inputs: Tensor, nothing: Tensor) -> Attribution:
    with torch.no_grad():
        before, after = float(score(nothing)), float(score(inputs))
    found, _ = integrated_gradients(score, inputs, nothing)
    return Attribution(found[0], after, before)
