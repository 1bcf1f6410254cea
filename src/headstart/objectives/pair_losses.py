"""Losses between vectors of two kinds of data that describe each other."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from headstart.objectives.losses import full_precision, gather


@full_precision
def symmetric_nce(first: Tensor, second: Tensor, scale: Tensor, keys: Tensor) -> dict[str, Tensor]:
    """InfoNCE in both directions between two kinds of data (CLIP, Radford et al. 2021, figure 3).

    Rows with the same key are right answers of each other: the target is spread evenly over them
    (UniCL, Yang et al. 2022, equation 2). Where all keys differ, it is CLIP's loss. Under several
    processes the rows of all are gathered with their gradients, so that the mean over processes is
    the loss of the whole batch.

    Args:
        first, second: (B,D), not normalised; row i of one describes row i of the other.
        scale: scalar, multiplies the cosines.
        keys: (B,) int64.

    Returns:
        ``loss``, ``accuracy`` of both directions and its chance level, ``positive_similarity``.

    Example::

        symmetric_nce(pictures, captions, torch.tensor(14.3), torch.arange(8))["loss"]
    """
    first, second = F.normalize(first, dim=1), F.normalize(second, dim=1)
    same = (keys[:, None] == gather(keys)).float()  # (B,W*B)
    targets = same / same.sum(1, keepdim=True)
    losses, hits, cosines = [], [], None
    for own, others in ((first, second), (second, first)):
        cosines = own @ gather(others).T
        losses.append(F.cross_entropy(scale * cosines, targets))
        hits.append(_right(cosines.detach(), same))
    assert cosines is not None
    return {
        "loss": (losses[0] + losses[1]) / 2,
        "accuracy": (hits[0] + hits[1]) / 2,
        "accuracy_chance": same.mean(),
        "positive_similarity": (first * second).sum(1).mean().detach(),
    }


@full_precision
def pairwise_sigmoid(
    first: Tensor, second: Tensor, scale: Tensor, bias: Tensor, keys: Tensor
) -> dict[str, Tensor]:
    """A sigmoid for each pair: is this one right? (SigLIP, Zhai et al. 2023, algorithm 1).

    ``-1/B sum_ij log sigmoid(z_ij (t x_i y_j + b))``, z is 1 where the keys agree and else -1.
    Under several processes each compares its own first rows with the second rows of all.

    Args:
        first, second, scale, keys: as of :func:`symmetric_nce`.
        bias: scalar; begins low, as nearly all pairs are wrong.
    """
    first, second = F.normalize(first, dim=1), F.normalize(second, dim=1)
    same = keys[:, None] == gather(keys)
    cosines = first @ gather(second).T
    signs = same.float() * 2 - 1
    loss = -F.logsigmoid(signs * (scale * cosines + bias)).sum() / len(first)
    return {
        "loss": loss,
        "accuracy": _right(cosines.detach(), same.float()),
        "accuracy_chance": same.float().mean(),
        "positive_similarity": (first * second).sum(1).mean().detach(),
    }


def _right(cosines: Tensor, same: Tensor) -> Tensor:
    """Return the share of rows whose highest cosine is right; of equal ones the share of right."""
    top = (cosines == cosines.amax(1, keepdim=True)).float()
    return ((top * same).sum(1) / top.sum(1)).mean()
