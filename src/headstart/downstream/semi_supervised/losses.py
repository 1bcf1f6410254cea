"""Losses of unlabeled records: FixMatch, UDA and the mean teacher, as plain functions.

Each compares two sets of logits (B,classes) of the same records. The first set gives the targets of
the second, and has no gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, mse_loss


def fixmatch_loss(weak: Tensor, strong: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Return the loss of the strong views against pseudo-labels of the weak ones.

    A record has a pseudo-label where the weak view's probability reaches ``threshold``; the sum is
    divided by all B, so that it counts more as more are confident (FixMatch, Sohn et al. 2020,
    equation 4, https://arxiv.org/abs/2001.07685).

    Returns:
        The loss, scalar, and whether each record was labeled, (B,) bool.
    """
    confidence, label = weak.detach().softmax(1).max(1)
    sure = confidence >= threshold
    return (cross_entropy(strong, label, reduction="none") * sure).mean(), sure


def uda_loss(
    clean: Tensor, noisy: Tensor, threshold: float, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return ``KL(sharpened clean || noisy)`` where the clean view is confident.

    The target is ``softmax(clean / temperature)``; confidence is measured before sharpening (UDA,
    Xie et al. 2020, section 2.2 and its appendix on sharpening, https://arxiv.org/abs/1904.12848).
    As in FixMatch the sum is divided by all B.

    Returns:
        The loss, scalar, and which records are confident, (B,) bool.
    """
    clean = clean.detach()
    sure = clean.softmax(1).amax(1) >= threshold
    target = (clean / temperature).softmax(1)
    divergence = kl_div(noisy.log_softmax(1), target, reduction="none").sum(1)
    return (divergence * sure).mean(), sure


def mean_teacher_loss(teacher: Tensor, student: Tensor) -> Tensor:
    """Return the mean squared difference of the probabilities, over records and classes.

    Tarvainen and Valpola (2017), section 2; the mean over the classes is that of its code.
    """
    return mse_loss(student.softmax(1), teacher.detach().softmax(1))


def annealed_loss(
    scores: Tensor, labels: Tensor, progress: float, schedule: str, weights: Tensor | None = None
) -> Tensor:
    """Return the cross-entropy of the labeled records below a rising confidence threshold.

    A record counts while the probability of its label is at most ``a (1 - 1/K) + 1/K`` for K
    classes, where ``a`` rises from 0 to 1 over the run: this avoids overfitting to few labels
    before the unlabeled records have an effect (UDA, Xie et al. 2020, training signal annealing,
    https://arxiv.org/abs/1904.12848).

    Args:
        labels: (B,) classes.
        progress: 0..1.
        schedule: ``none``, ``linear``, ``log`` or ``exp``.
        weights: (K,) what an error on each class costs.
    """
    if schedule == "none":
        return cross_entropy(scores, labels, weights)
    share = {
        "linear": progress,
        "log": 1 - math.exp(-5 * progress),
        "exp": math.exp(5 * (progress - 1)),
    }[schedule]
    most = share * (1 - 1 / scores.shape[1]) + 1 / scores.shape[1]
    right = scores.detach().softmax(1).gather(1, labels[:, None])[:, 0]
    counts = (right <= most).to(scores.dtype)
    losses = cross_entropy(scores, labels, weights, reduction="none")
    weight = counts if weights is None else counts * weights[labels]
    return (losses * counts).sum() / weight.sum().clamp(min=torch.finfo(scores.dtype).tiny)


def ramp(progress: float, share: float) -> float:
    """Return ``exp(-5 (1 - x)^2)``, where x rises from 0 to 1 in the first ``share`` of the run.

    Laine and Aila (2017), section 2.1 (https://arxiv.org/abs/1610.02242); the mean teacher's
    weight.
    """
    x = min(1.0, progress / share) if share else 1.0
    return math.exp(-5 * (1 - x) ** 2)
