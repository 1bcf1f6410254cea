"""What unlabeled records add to the loss: FixMatch, UDA and the mean teacher, as plain functions.

Each compares two sets of scores (B,classes) of the same records. The first set says what the second
should have been, and no gradient reaches it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, mse_loss


def fixmatch_loss(weak: Tensor, strong: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Return the loss of the strong views against the labels of the weak ones, and who has one.

    A weak view labels its record where its probability reaches ``threshold``; the sum over those is
    divided by all B, so that it counts more as more are sure (FixMatch, Sohn et al. 2020, eq. 4).

    Returns:
        The loss, scalar, and whether each record was labeled, (B,) bool.
    """
    confidence, label = weak.detach().softmax(1).max(1)
    sure = confidence >= threshold
    return (cross_entropy(strong, label, reduction="none") * sure).mean(), sure


def uda_loss(
    clean: Tensor, noisy: Tensor, threshold: float, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return ``KL(sharpened clean || noisy)`` where the clean view is sure, and where that is.

    The target is ``softmax(clean / temperature)``; who is sure is told before it is sharpened
    (UDA, Xie et al. 2020, section 2.2 and its appendix on sharpening). As in FixMatch the sum
    is divided by all B.

    Returns:
        The loss, scalar, and who is sure, (B,) bool.
    """
    clean = clean.detach()
    sure = clean.softmax(1).amax(1) >= threshold
    target = (clean / temperature).softmax(1)
    divergence = kl_div(noisy.log_softmax(1), target, reduction="none").sum(1)
    return (divergence * sure).mean(), sure


def mean_teacher_loss(teacher: Tensor, student: Tensor) -> Tensor:
    """Return the mean square between the probabilities, over records and classes.

    Tarvainen and Valpola (2017), section 2; the mean over the classes is that of its code.
    """
    return mse_loss(student.softmax(1), teacher.detach().softmax(1))


def annealed_loss(
    scores: Tensor, labels: Tensor, progress: float, schedule: str, weights: Tensor | None = None
) -> Tensor:
    """Return the cross-entropy of the labeled records that are not yet known too well.

    A record counts while the probability of its label is at most ``a (1 - 1/K) + 1/K`` for K
    classes, where ``a`` climbs from 0 to 1 over the run: few labels are then not learned by heart
    before the unlabeled records have had their say (UDA, Xie et al. 2020, training signal
    annealing).

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
    kept = (right <= most).to(scores.dtype)
    losses = cross_entropy(scores, labels, weights, reduction="none")
    counted = kept if weights is None else kept * weights[labels]
    return (losses * kept).sum() / counted.sum().clamp(min=torch.finfo(scores.dtype).tiny)


def ramp(progress: float, share: float) -> float:
    """Return ``exp(-5 (1 - x)^2)``, where x climbs from 0 to 1 in the first ``share`` of the run.

    Laine and Aila (2017), section 2.1; the mean teacher's weight.
    """
    x = min(1.0, progress / share) if share else 1.0
    return math.exp(-5 * (1 - x) ** 2)
