"""Documents that share a row, run in rows of their own: for networks that cannot part them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from headstart.errors import HeadstartError


def documents_of(seen: Tensor, causal: bool) -> Tensor:
    """Return the number (B,T) of each position's document in its row; -1 for padding and holes.

    Args:
        seen: (B,T,T) or (B,1,T) bool, as of :mod:`headstart.encoders.visibility`.
        causal: whether positions attend to the left only.

    Raises:
        HeadstartError: the positions of a document are not to see each other.
    """
    length = seen.shape[-1]
    seen = seen.expand(-1, length, -1)
    if causal:
        seen = seen.tril()
    others = seen & ~torch.eye(length, dtype=torch.bool, device=seen.device)
    looked_at = others.any(1)
    # A position that no other looks at is padding, or a hole in a text where tokens were left out;
    # the last of a causal document is not, since nothing after it looks at what is before it.
    sees = _crossed(seen) if causal else others.any(2)
    real = seen.diagonal(0, 1, 2) & (looked_at | ~sees)
    index = torch.arange(length, device=seen.device).expand_as(real)
    latest = index.masked_fill(~real, -1).cummax(1).values
    before = torch.nn.functional.pad(latest[:, :-1], (1, 0), value=-1)  # the real one before it
    at = before.clamp(min=0)[:, :, None]
    linked = (before >= 0) & seen.gather(2, at).squeeze(2)
    if not causal:
        linked = linked & seen.transpose(1, 2).gather(2, at).squeeze(2)
    number = (real & ~linked).cumsum(1)
    wanted = number[:, :, None] == number[:, None, :]
    if causal:
        wanted = wanted.tril()
    certain = looked_at & real
    compared = certain[:, :, None] & certain[:, None, :]
    if bool(((seen != wanted) & compared).any()):
        raise HeadstartError(
            "this network reads each document as a whole, and the objective hides parts of it "
            "from others; choose another objective, such as mlm, or another encoder."
        )
    return number.masked_fill(~real, -1)


def _crossed(seen: Tensor) -> Tensor:
    """Return (B,T) bool: whether a later position looks at one before it."""
    length = seen.shape[-1]
    first = seen.int().argmax(2).masked_fill(~seen.any(2), length)  # (B,T)
    later = torch.nn.functional.pad(first[:, 1:], (0, 1), value=length)
    earliest = later.flip(1).cummin(1).values.flip(1)
    return earliest < torch.arange(length, device=seen.device)


def apart(
    run: Callable[[Tensor, Tensor], Tensor], tokens: Tensor, documents: Tensor, *, padded: bool
) -> Tensor:
    """Return vectors (B,T,D) in context, of documents that are run one a row; 0 at padding.

    Args:
        run: maps vectors (N,L,E), padded at the end, and their mask (N,L) bool to vectors (N,L,D).
        tokens: (B,T,E).
        documents: (B,T), as :func:`documents_of` returns it.
        padded: whether documents of different lengths may be in one call.
    """
    count, length = documents.shape
    where = (documents >= 0).flatten().nonzero().squeeze(1)  # (M,)
    row = torch.arange(count, device=documents.device)[:, None]
    keys = (documents + row * (length + 1)).flatten()[where]
    sizes = keys.unique_consecutive(return_counts=True)[1]  # (N,)
    starts = sizes.cumsum(0) - sizes
    flat, out = tokens.flatten(0, 1), None
    for group in [None] if padded else sizes.unique().tolist():
        chosen = sizes.eq(group) if group else torch.ones_like(sizes, dtype=torch.bool)
        column = torch.arange(int(sizes[chosen].max()), device=where.device)
        mask = column < sizes[chosen][:, None]  # (N,L)
        index = where[(starts[chosen][:, None] + column).clamp(max=len(where) - 1)]
        vectors = run(flat[index] * mask[:, :, None], mask)
        if out is None:
            out = vectors.new_zeros(count * length, vectors.shape[2])
        out = out.index_put((index[mask],), vectors[mask])
    assert out is not None
    return out.view(count, length, -1)
