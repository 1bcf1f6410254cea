"""Two views of a text, made on whole batches (B,T)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from headstart.batch import Batch

#: Tokens in a chunk: about a clause, so that both views hold whole phrases.
CHUNK = 20

View = Callable[[Batch, torch.Generator, int], tuple[Batch, Batch]]


def identity(batch: Batch, generator: torch.Generator, pad_id: int) -> tuple[Batch, Batch]:
    """The text twice; the views differ by dropout (SimCSE, https://arxiv.org/abs/2104.08821)."""
    return batch, batch


def halves(batch: Batch, generator: torch.Generator, pad_id: int) -> tuple[Batch, Batch]:
    """The two halves of the text, which share only its topic."""
    length = batch["mask"].sum(1)
    middle = length // 2
    return window(batch, torch.zeros_like(middle), middle, pad_id), window(
        batch, middle, length - middle, pad_id
    )


def chunks(batch: Batch, generator: torch.Generator, pad_id: int) -> tuple[Batch, Batch]:
    """The text in chunks of about 20 tokens, each assigned to one of the views at random.

    The views share the ids and differ in their masks, so nothing is copied. A text that is too
    short is halved.
    """
    mask = batch["mask"]
    count, length = mask.shape
    draw = torch.rand(2, count, length // CHUNK + 2, generator=generator, device=mask.device)
    shift = (draw[0, :, :1] * CHUNK).long()
    column = torch.arange(length, device=mask.device)
    chunk = (column + shift) // CHUNK
    dealt = draw[1].gather(1, chunk) < 0.5
    size = mask.sum(1, keepdim=True)
    ours = (dealt & mask).sum(1, keepdim=True)
    lopsided = (ours < size // 5) | (size - ours < size // 5)
    dealt = torch.where(lopsided, column < size // 2, dealt)
    ids = batch["input_ids"]
    return (
        {"input_ids": ids, "mask": mask & dealt},
        {"input_ids": ids, "mask": mask & ~dealt},
    )


def disjoint(batch: Batch, generator: torch.Generator, pad_id: int) -> tuple[Batch, Batch]:
    """Chunks that share no token type: a type in both views stays in one of them at random.

    So views cannot be matched by repeated names and rare words, only by the meaning that such words
    have in common.
    """
    first, second = chunks(batch, generator, pad_id)
    ids = batch["input_ids"]
    size = int(ids.max()) + 1
    holds = torch.zeros(2, len(ids), size, dtype=torch.bool, device=ids.device)
    for side, view in enumerate((first, second)):
        # Positions that are not in the view write to the padding's column, which no mask reads.
        holds[side].scatter_(1, ids.where(view["mask"], torch.tensor(pad_id)), True)
    both = (holds[0] & holds[1]).gather(1, ids)
    # A random bit for each row and type, by a hash: drawing them would take the whole vocabulary.
    salt = torch.randint(2**31, (len(ids), 1), generator=generator, device=ids.device)
    coin = ((ids * 2_654_435_761 + salt) >> 7) % 2 == 0
    return (
        {"input_ids": ids, "mask": first["mask"] & (~both | coin)},
        {"input_ids": ids, "mask": second["mask"] & (~both | ~coin)},
    )


def crops(batch: Batch, generator: torch.Generator, pad_id: int) -> tuple[Batch, Batch]:
    """Two independent random windows of 10-50% of the text (Contriever, Izacard et al. 2021)."""
    first, second = (_crop(batch, generator, pad_id) for _ in range(2))
    return first, second


def _crop(batch: Batch, generator: torch.Generator, pad_id: int) -> Batch:
    length = batch["mask"].sum(1)
    draw = torch.rand(2, len(length), generator=generator, device=length.device)
    size = (length * (0.1 + 0.4 * draw[0])).ceil().long().clamp(min=1).minimum(length)
    begin = (draw[1] * (length - size + 1)).long()
    return window(batch, begin, size, pad_id)


def window(batch: Batch, begin: Tensor, size: Tensor, pad_id: int) -> Batch:
    """Return ``size`` (B,) tokens of each row from ``begin`` (B,) on, padded to the longest."""
    ids = batch["input_ids"]
    column = torch.arange(max(1, int(size.max())), device=ids.device)
    mask = column < size[:, None]
    index = (begin[:, None] + column).clamp(max=ids.shape[1] - 1)
    return {"input_ids": ids.gather(1, index).masked_fill(~mask, pad_id), "mask": mask}


VIEWS: dict[str, View] = {
    "identity": identity,
    "halves": halves,
    "chunks": chunks,
    "disjoint": disjoint,
    "crops": crops,
}
