"""Attention masks: one boolean (B,T,T) for bidirectional, causal and packed attention."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.compiler import is_exporting

from headstart.batch import Batch


def visibility(batch: Batch) -> Tensor | None:
    """Return (B,T,T) bool: real positions of the same document see each other.

    None if nothing is masked. Each position sees itself even if it is padding, since attention over
    nothing is NaN.

    Example::

        encoder.contextualize(encoder.embed(batch), causal(visibility(batch), batch))
    """
    segments, mask = batch.get("segments"), batch["mask"]
    if segments is None and is_full(mask):
        return None
    seen = mask[:, None, :].expand(-1, mask.shape[1], -1)
    if segments is not None:
        seen = seen & (segments[:, :, None] == segments[:, None, :])
    return seen | torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)


def is_full(mask: Tensor) -> bool:
    """Whether all positions (B,T) are real; in an exported network they need not be."""
    return not is_exporting() and bool(mask.all())


def real(batch: Batch) -> Tensor | None:
    """Return (B,1,T) bool: True at real positions, which all positions of a row see.

    Equivalent to :func:`visibility` for rows of one document, with T times less memory. None if
    nothing is masked; a row without real positions is not masked.
    """
    mask = batch["mask"]
    if is_full(mask):
        return None
    return (mask | ~mask.any(1, keepdim=True))[:, None, :]


def positions_of(batch: Batch) -> Tensor | None:
    """Return the position (B,T) of each token in its text; None if all count from 0 in order.

    An exported network reads rows that are padded at the right.
    """
    mask = batch["mask"]
    if "positions" in batch or is_exporting() or bool(mask[:, 0].all()):
        return batch.get("positions")
    # Padding at the left moves no text to the right.
    return (mask.cumsum(1) - 1).clamp(min=0)


def causal(seen: Tensor | None, batch: Batch) -> Tensor:
    """Restrict ``seen`` (B,T,T) to causal attention: no position sees those to its right."""
    count, length = batch["mask"].shape
    lower = torch.ones(length, length, dtype=torch.bool, device=batch["mask"].device).tril()
    return lower.expand(count, -1, -1) if seen is None else seen & lower


def prefixed(seen: Tensor | None, prefix: Tensor) -> Tensor:
    """Restrict ``seen`` (B,T,T) to causal attention except within ``prefix`` (B,T).

    Positions of the prefix see all of the prefix, and nothing after it.
    """
    width = prefix.shape[1]
    lower = torch.ones(width, width, dtype=torch.bool, device=prefix.device).tril()
    left = prefix[:, None, :] | lower
    return left if seen is None else seen & left


def mean_pool(tokens: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (B,D) of tokens (B,T,D) over the real positions of mask (B,T)."""
    weight = mask.to(tokens.dtype)[:, :, None]
    return (tokens * weight).sum(1) / weight.sum(1).clamp(min=1.0)
