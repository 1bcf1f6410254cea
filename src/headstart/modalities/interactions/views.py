"""Two views of a sequence: a part of it, hidden items, another order.

CL4SRec (Xie et al. 2022, "Contrastive Learning for Sequential Recommendation", section 3.3): a crop
of 60 %, 30 % of the items hidden, or 60 % in a random order; ``auto`` draws two different ones.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.errors import HeadstartError, did_you_mean

CROPPED, HIDDEN, REORDERED = 0.6, 0.3, 0.6

#: From a batch, a generator, and the ids of padding and of a hidden item to two views.
View = Callable[[Batch, torch.Generator, int, int], tuple[Batch, Batch]]


def cropped(batch: Batch, generator: torch.Generator, pad_id: int, mask_id: int) -> Batch:
    """Return a random window of each sequence: the first one of its positions is drawn."""
    start, size = _window(batch, generator, CROPPED)
    ids, mask = batch["input_ids"], batch["mask"]
    column = torch.arange(ids.shape[1], device=ids.device)
    kept = column < size
    index = (start + column).clamp(max=ids.shape[1] - 1)
    found = {
        "input_ids": torch.where(kept, ids.gather(1, index), pad_id),
        "mask": kept & mask.any(1, keepdim=True),
    }
    if "gaps" in batch:
        found["gaps"] = torch.where(kept, batch["gaps"].gather(1, index), 0)
    return found


def hidden(batch: Batch, generator: torch.Generator, pad_id: int, mask_id: int) -> Batch:
    """Return each sequence with some of its items hidden."""
    ids, mask = batch["input_ids"], batch["mask"]
    drawn = torch.rand(ids.shape, generator=generator, device=ids.device) < HIDDEN
    return {**_sequence(batch), "input_ids": torch.where(drawn & mask, mask_id, ids)}


def reordered(batch: Batch, generator: torch.Generator, pad_id: int, mask_id: int) -> Batch:
    """Return each sequence with a window of it in a random order."""
    ids = batch["input_ids"]
    start, size = _window(batch, generator, REORDERED)
    column = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    inside = (column >= start) & (column < start + size)
    noise = torch.rand(ids.shape, generator=generator, device=ids.device)
    # Sorted by position, but inside of the window by chance.
    key = torch.where(inside, start + noise * size.clamp(min=1), column + 0.0)
    order = torch.where(inside, key, column.float()).argsort(dim=1, stable=True)
    # The times stay where they are: only the items change places.
    return {**_sequence(batch), "input_ids": ids.gather(1, order)}


_EACH = {"crop": cropped, "mask": hidden, "reorder": reordered}


def _twice(one: Callable[..., Batch]) -> View:
    def views(
        batch: Batch, generator: torch.Generator, pad_id: int, mask_id: int
    ) -> tuple[Batch, Batch]:
        first = one(batch, generator, pad_id, mask_id)
        return first, one(batch, generator, pad_id, mask_id)

    return views


def two_of_three(
    batch: Batch, generator: torch.Generator, pad_id: int, mask_id: int
) -> tuple[Batch, Batch]:
    """Return two views of each sequence of two different kinds, drawn for each sequence."""
    made = [one(batch, generator, pad_id, mask_id) for one in _EACH.values()]
    count = len(batch["input_ids"])
    device = batch["input_ids"].device
    order = torch.rand(count, len(made), generator=generator, device=device).argsort(1)

    def taken(kind: Tensor) -> Batch:
        return {
            name: torch.stack([each[name] for each in made])[kind, torch.arange(count)]
            for name in made[0]
        }

    return taken(order[:, 0]), taken(order[:, 1])


VIEWS: dict[str, View] = {"auto": two_of_three, **{n: _twice(one) for n, one in _EACH.items()}}


def check_views(kind: str) -> None:
    """Refuse a kind of views that is none of :data:`VIEWS`.

    Raises:
        HeadstartError: there is no such kind.
    """
    if kind not in VIEWS:
        raise HeadstartError(
            f"sequences have no views {kind!r}{did_you_mean(kind, VIEWS)}; there are "
            f"{', '.join(VIEWS)}."
        )


def _sequence(batch: Batch) -> Batch:
    """Return what a view has of a batch; positions are counted again."""
    return {name: batch[name] for name in ("input_ids", "mask", "gaps") if name in batch}


def _window(batch: Batch, generator: torch.Generator, share: float) -> tuple[Tensor, Tensor]:
    """Return where a window of each sequence begins (B,1), and its size (B,1), 1 at least."""
    lengths = batch["mask"].sum(1, keepdim=True)
    size = (lengths * share).long().clamp(min=1).minimum(lengths)
    draw = torch.rand(lengths.shape, generator=generator, device=lengths.device)
    return (draw * (lengths - size + 1)).long(), size
