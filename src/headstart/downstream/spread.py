"""What labels spread to, as part of a head: class probabilities of the nearest known records."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from headstart.evaluation.heads.propagation import FLOOR, NEIGHBOURS, POWER, Propagated


class Spread(nn.Module):
    """The mean belief of the nearest records of a pool, beside the scores of a linear layer.

    The counterpart of :class:`headstart.evaluation.heads.propagation.Propagated` in torch. Its
    buffers, in 16 bits, are saved with the head: some 10 MB for 20,000 records.

    Args:
        pool: (P,D) features of length 1.
        beliefs: (P,K) class probabilities of each.
    """

    def __init__(self, pool: Tensor, beliefs: Tensor) -> None:
        super().__init__()
        self.pool: Tensor
        self.beliefs: Tensor
        self.register_buffer("pool", pool.half())
        self.register_buffer("beliefs", beliefs.half())

    @classmethod
    def of(cls, fitted: Propagated) -> Self | None:
        """Return that of a fitted head; None where its labels reach too few records."""
        if fitted.beliefs is None:
            return None
        return cls(torch.from_numpy(fitted.pool), torch.from_numpy(fitted.beliefs))

    def forward(self, features: Tensor) -> Tensor:
        """Return the probabilities (B,K) of features (B,D) by their nearest records."""
        cosines = normalize(features.float()) @ self.pool.float().T  # (B,P)
        near = cosines.topk(min(NEIGHBOURS, len(self.pool)), dim=1)
        weights = near.values.clamp(min=0) ** POWER
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-12)
        return torch.einsum("bk,bkc->bc", weights, self.beliefs[near.indices].float())

    def joined(self, scores: Tensor, features: Tensor) -> Tensor:
        """Return log-probabilities (B,K), up to a constant: the mean of both sides.

        Args:
            scores: (B,K) of the linear layer; features: (B,D).
        """
        sides = (scores.softmax(1), self(features))
        return torch.stack([_logarithm(side) for side in sides]).mean(0)


def _logarithm(probabilities: Tensor) -> Tensor:
    return torch.log((1 - FLOOR) * probabilities + FLOOR / probabilities.shape[1])
