"""How well estimated signals match their sources, whatever their order, and sums of sources.

SI-SDR is that of Le Roux et al. 2019, "SDR - half-baked or well done?",
https://arxiv.org/abs/1811.02508. All losses are in decibels, and lower is better.
"""

from __future__ import annotations

from itertools import permutations, product

import torch
from torch import Tensor

_EPSILON = 1e-8
#: Error relative to a mixture's power below which MixIT does not care: -30 dB (section 3.1).
LIMIT = 1e-3


def si_sdr(estimates: Tensor, sources: Tensor) -> Tensor:
    """Return the scale-invariant ratio of signal to distortion (...) in dB of signals (...,S).

    Both lose their mean. ``10 log10(|a s|^2 / |e - a s|^2)`` with ``a = <e,s> / |s|^2``.
    """
    estimates = estimates - estimates.mean(-1, keepdim=True)
    sources = sources - sources.mean(-1, keepdim=True)
    scale = (estimates * sources).sum(-1, keepdim=True)
    scale = scale / (sources.square().sum(-1, keepdim=True) + _EPSILON)
    wanted = scale * sources
    distortion = (estimates - wanted).square().sum(-1)
    return 10 * ((wanted.square().sum(-1) + _EPSILON) / (distortion + _EPSILON)).log10()


def pit_loss(estimates: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
    """Return minus the mean SI-SDR (B,) of the best order, and that order (B,N).

    Estimate ``order[n]`` is that of source n (utterance-level permutation-invariant training,
    Kolbaek et al. 2017, https://arxiv.org/abs/1703.06284).

    Args:
        estimates, sources: (B,N,S).
    """
    pairs = si_sdr(estimates[:, :, None], sources[:, None])  # (B, estimate, source)
    orders = _orders(estimates.shape[1]).to(pairs.device)  # (P,N)
    at = torch.arange(sources.shape[1], device=pairs.device)
    means = pairs[:, orders, at].mean(2)  # (B,P)
    best = means.max(1)
    return -best.values, orders[best.indices]


def mixit_loss(estimates: Tensor, mixtures: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss (B,) of the best assignment of estimates to mixtures, and that (B,M).

    Of each mixture x and the sum y of the estimates assigned to it the loss is
    ``10 log10(|x - y|^2 + 1e-3 |x|^2) - 10 log10 |x|^2``; the mean of both mixtures (Wisdom et al.
    2020, equations 1 to 3, https://arxiv.org/abs/2006.12701; the paper has the sum).

    Args:
        estimates: (B,M,S).
        mixtures: (B,2,S).
    """
    ways = _assignments(estimates.shape[1]).to(estimates)  # (K,2,M)
    sums = torch.einsum("knm,bms->bkns", ways, estimates)
    power = mixtures.square().sum(2)[:, None]  # (B,1,2)
    errors = (mixtures[:, None] - sums).square().sum(3)  # (B,K,2)
    losses = 10 * ((errors + LIMIT * power + _EPSILON) / (power + _EPSILON)).log10()
    best = losses.mean(2).min(1)
    return best.values, ways[best.indices, 1].long()


def consistent(estimates: Tensor, mixture: Tensor) -> Tensor:
    """Return estimates (B,M,S) that add up to the mixture (B,S): what is missing is divided.

    Wisdom et al. 2019, "Differentiable consistency constraints", https://arxiv.org/abs/1811.08521.
    """
    missing = mixture - estimates.sum(1)
    return estimates + missing[:, None] / estimates.shape[1]


def _orders(count: int) -> Tensor:
    """Return all orders (N!,N)."""
    return torch.tensor(list(permutations(range(count))))


def _assignments(count: int) -> Tensor:
    """Return all assignments (2^M,2,M) of M estimates to two mixtures: 1 where it belongs."""
    second = torch.tensor(list(product((0.0, 1.0), repeat=count)))
    return torch.stack([1 - second, second], 1)
