"""Whether a network gives a text the same vectors alone, padded, and in a row with others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: Lengths of the documents that are read.
LENGTHS = (7, 4, 5)
#: Largest difference, as a share of the largest value, between vectors that count as equal.
TOLERANCE = 2e-4

Read = Callable[[Tensor, Tensor | None, Tensor | None], Tensor]


def documents(model: PreTrainedModel) -> list[Tensor]:
    """Return documents (1,T) of ordinary tokens, drawn without a global generator."""
    size = len(getattr(model.get_input_embeddings(), "weight", ()))
    special = {getattr(model.config, f"{name}_token_id", None) for name in ("pad", "bos", "eos")}
    ordinary = torch.tensor([i for i in range(min(size, 10_000)) if i not in special])
    if len(ordinary) < max(LENGTHS):
        raise refusal(model, "has no table of tokens")
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(ordinary), generator=generator)
    return [ordinary[order[:n]][None] for n in LENGTHS]


def serves(read: Read, vectors: list[Tensor], own: list[Tensor]) -> bool:
    """Whether documents have the vectors of their own rows when padded, and when they share one.

    Args:
        read: maps input vectors (B,T,E), visibility and positions to vectors (B,T,D).
        vectors: of each document, (1,T,E).
        own: what the network's own forward pass gives for each, (1,T,D).
    """
    most = max(LENGTHS) + 2
    sizes, column = torch.tensor(LENGTHS)[:, None], torch.arange(most)
    right = column < sizes
    number = torch.repeat_interleave(torch.arange(len(LENGTHS)), torch.tensor(LENGTHS))
    index = torch.cat([torch.arange(n) for n in LENGTHS])[None]

    def rows(left: bool) -> Tensor:
        pads = [most - n for n in LENGTHS]
        sides = [(n, 0) if left else (0, n) for n in pads]
        return torch.cat([pad(v, (0, 0, *s)) for v, s in zip(vectors, sides, strict=True)])

    if not alike(own[:1], [attempt(read, vectors[0], None, None)]):
        return False
    blocks = (number[:, None] == number)[None]
    together = attempt(read, torch.cat(vectors, 1), blocks, index)
    if together is None or not alike(own, list(together.split(LENGTHS, 1))):
        return False
    after = attempt(read, rows(left=False), right[:, None, :], None)
    if after is None or not alike(own, [v[None, :n] for v, n in zip(after, LENGTHS, strict=True)]):
        return False
    places = (column - most + sizes).clamp(0)
    before = attempt(read, rows(left=True), right.flip(1)[:, None, :], places)
    return before is not None and alike(
        own, [v[None, -n:] for v, n in zip(before, LENGTHS, strict=True)]
    )


def alike(wanted: Sequence[Tensor], found: Sequence[Tensor | None]) -> bool:
    """Whether all vectors are equal, but for rounding."""
    return all(
        b is not None
        and a.shape == b.shape
        and bool((a - b).abs().max() <= TOLERANCE * a.abs().max())
        for a, b in zip(wanted, found, strict=True)
    )


def attempt(call: Callable[..., Tensor], *given: Any, **named: Any) -> Tensor | None:
    """Return what a network of another library gives; None if it refuses, in whatever way."""
    try:
        return call(*given, **named)
    except Exception:
        return None


def check_length(limit: int | None, length: int) -> None:
    """Refuse rows with more tokens than the network has positions.

    Raises:
        HeadstartError: it says how many there are.
    """
    if limit is not None and length > limit:
        raise HeadstartError(
            f"this network has {limit} positions, and a row has {length} tokens; set "
            f"--length {limit} or less, or choose another encoder."
        )


def refusal(model: PreTrainedModel, what: str) -> HeadstartError:
    """Return the error for a network that cannot be an encoder: it WHAT."""
    return HeadstartError(
        f"the network {model.config.model_type!r} {what}, so it cannot be an encoder here; "
        "choose another one, such as a BERT, RoBERTa or Llama."
    )
