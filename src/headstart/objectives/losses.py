"""Losses as plain functions, to be used and tested alone."""

from __future__ import annotations

import torch
import torch.distributed as distributed
from torch import Tensor
from torch.nn import functional as F

IGNORE = -100


def token_loss(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Cross-entropy of logits (N,V) against targets (N,), with the accuracy beside it.

    Without targets the loss is 0 and still has a gradient, so that an empty batch is harmless.
    """
    if targets.numel() == 0:
        return {"loss": logits.sum() * 0.0, "accuracy": logits.new_zeros(())}
    loss = F.cross_entropy(logits.float(), targets)
    with torch.no_grad():
        # The largest score is found several times as fast as its place.
        own = logits.gather(1, targets[:, None]).squeeze(1)
        accuracy = (own == logits.amax(1)).float().mean()
    return {"loss": loss, "accuracy": accuracy}


def info_nce(queries: Tensor, keys: Tensor, temperature: float) -> dict[str, Tensor]:
    """InfoNCE in one direction with in-batch negatives (van den Oord et al. 2018; SimCSE eq. 1).

    ``-log exp(sim(q_i, k_i) / t) / sum_j exp(sim(q_i, k_j) / t)``, the cosine as ``sim``. Under
    several processes the keys of all are gathered with their gradients, so that the mean over
    processes is the loss of the whole batch.

    Args:
        queries: (B,D), not normalised.
        keys: (B,D); row i is the positive of query i.
    """
    queries = F.normalize(queries.float(), dim=-1)
    keys = F.normalize(keys.float(), dim=-1)
    every = gather(keys)
    logits = queries @ every.T / temperature
    targets = torch.arange(len(queries), device=queries.device) + _rank() * len(queries)
    positive = logits.detach().gather(1, targets[:, None]).mean() * temperature
    return {
        "loss": F.cross_entropy(logits, targets),
        "accuracy": (logits.detach().argmax(1) == targets).float().mean(),
        "positive_similarity": positive,
    }


def gather(rows: Tensor) -> Tensor:
    """Return the rows (W*B,D) of all processes, in rank order; gradients flow back to each."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return rows
    if distributed.get_world_size() == 1:
        return rows
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(rows.contiguous()))


def _rank() -> int:
    initialised = distributed.is_available() and distributed.is_initialized()
    return distributed.get_rank() if initialised else 0
