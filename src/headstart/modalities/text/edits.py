"""Small random edits of texts, made on whole batches, for two views of a text.

Insertion, deletion, replacement and swap of tokens as in EDA (Wei and Zou 2019, section 2,
https://arxiv.org/abs/1901.11196), and a crop. Special tokens at the ends of a row keep their
positions. New tokens are drawn from the batch itself, so that they are as frequent as in real text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.errors import HeadstartError, did_you_mean
from headstart.modalities.text.views import VIEWS

#: ``edit(batch, inner, generator, share, pad_id)``; ``inner`` (B,T) may be edited.
Edit = Callable[[Batch, Tensor, torch.Generator, float, int], Batch]


def insert(
    batch: Batch, inner: Tensor, generator: torch.Generator, share: float, pad_id: int
) -> Batch:
    """Insert random tokens of the batch before a ``share`` of the tokens; rows become longer."""
    ids, mask = batch["input_ids"], batch["mask"]
    chosen = some(inner, share, generator)
    width = ids.shape[1]
    index = torch.arange(width, device=ids.device) + chosen.long().cumsum(1)
    longest = max(1, int((index * mask).max()) + 1)
    # Padding goes to a column that is cut off.
    target = index.masked_fill(~mask, longest)
    edited = ids.new_full((len(ids), longest + 1), pad_id).scatter(1, target, ids)
    before = (index - 1).masked_fill(~chosen, longest)
    edited = edited.scatter(1, before, _drawn(ids, inner, generator))
    real = torch.arange(longest, device=ids.device) < (mask.sum(1) + chosen.sum(1))[:, None]
    return {"input_ids": edited[:, :longest].masked_fill(~real, pad_id), "mask": real}


def delete(
    batch: Batch, inner: Tensor, generator: torch.Generator, share: float, pad_id: int
) -> Batch:
    """Delete a ``share`` of the tokens, and keep at least one."""
    chosen = some(inner, share, generator)
    chosen &= chosen.sum(1, keepdim=True) < inner.sum(1, keepdim=True)
    return _closed_up(batch, batch["mask"] & ~chosen, pad_id)


def replace(
    batch: Batch, inner: Tensor, generator: torch.Generator, share: float, pad_id: int
) -> Batch:
    """Replace a ``share`` of the tokens by random tokens of the batch."""
    chosen = some(inner, share, generator)
    drawn = _drawn(batch["input_ids"], inner, generator)
    return {
        "input_ids": torch.where(chosen, drawn, batch["input_ids"]),
        "mask": batch["mask"],
    }


def swap(
    batch: Batch, inner: Tensor, generator: torch.Generator, share: float, pad_id: int
) -> Batch:
    """Swap a ``share`` of the tokens in random pairs."""
    ids = batch["input_ids"]
    count, width = ids.shape
    chosen = some(inner, share, generator)
    score = torch.rand(ids.shape, generator=generator, device=ids.device)
    order = score.masked_fill(~chosen, 2.0).argsort(1)
    # In random order the first of the chosen is swapped with the second, the third with the fourth.
    even = width - width % 2
    partner = order.clone()
    partner[:, :even] = order[:, :even].view(count, -1, 2).flip(2).flatten(1)
    both = torch.arange(width, device=ids.device) // 2 * 2 + 1 < chosen.sum(1, keepdim=True)
    source = torch.zeros_like(ids).scatter(1, order, torch.where(both, partner, order))
    return {"input_ids": ids.gather(1, source), "mask": batch["mask"]}


def crop(
    batch: Batch, inner: Tensor, generator: torch.Generator, share: float, pad_id: int
) -> Batch:
    """Keep a run of a ``share`` of the tokens, from a random position on."""
    size = inner.sum(1)
    kept = (size * share).round().long().clamp(min=1).minimum(size)
    draw = torch.rand(len(size), generator=generator, device=size.device)
    begin = (draw * (size - kept + 1)).long()
    turn = inner.long().cumsum(1) - 1
    inside = (turn >= begin[:, None]) & (turn < (begin + kept)[:, None])
    return _closed_up(batch, batch["mask"] & (~inner | inside), pad_id)


#: Each edit with its default share: EDA's 0.1, and 0.6 kept in a crop (CL4SRec, Xie 2022).
EDITS: dict[str, tuple[Edit, float]] = {
    "insert": (insert, 0.1),
    "delete": (delete, 0.1),
    "replace": (replace, 0.1),
    "swap": (swap, 0.1),
    "crop": (crop, 0.6),
}


#: Default shares of edits that need a lookup table.
LOOKUPS = {"synonym": 0.1}
#: A strong view of a text: each row gets one of these edits.
STRONG_EDITS = "swap:0.2,delete:0.2,replace:0.2,crop"


def parse_edits(
    kind: str, lookups: Mapping[str, Callable[[], Edit]] | None = None
) -> list[tuple[Edit, float]] | None:
    """Read ``swap,delete:0.2`` into edits with their shares; None where no edit is named.

    Args:
        lookups: makes the edits of :data:`LOOKUPS`.

    Raises:
        HeadstartError: an unknown edit among known ones, or a share that is not between 0 and 1.
    """
    parts = [part.strip().partition(":") for part in kind.split(",")]
    lookups = lookups or {}
    known = [*EDITS, *lookups]
    if not any(name in known for name, _, _ in parts):
        return None
    edits = []
    for name, _, text in parts:
        if name not in known:
            raise HeadstartError(f"texts have no edit {name!r}{did_you_mean(name, known)}")
        usual = LOOKUPS[name] if name in lookups else EDITS[name][1]
        try:
            share = float(text) if text else usual
        except ValueError:
            share = -1.0
        if not 0 < share < 1:
            raise HeadstartError(f"{name}:{text} has no share between 0 and 1; write {name}:0.2.")
        edits.append((lookups[name]() if name in lookups else EDITS[name][0], share))
    return edits


def check_views(kind: str) -> None:
    """Refuse a kind of views that is neither known nor made by edits.

    Raises:
        HeadstartError: it names those that there are.
    """
    known = ["auto", "pairs", *VIEWS]
    if kind not in known and not parse_edits(kind, dict.fromkeys(LOOKUPS, lambda: swap)):
        names = [*known, *EDITS, *LOOKUPS]
        raise HeadstartError(f"texts have no views {kind!r}{did_you_mean(kind, names)}")


def edited(
    batch: Batch,
    edits: list[tuple[Edit, float]],
    generator: torch.Generator,
    pad_id: int,
    special: Tensor,
) -> tuple[Batch, Batch]:
    """Return two views; each row of each gets one of the edits at random.

    If there are several edits, the two views of a row get different ones.

    Args:
        special: (V,) bool, True for ids that are never edited.
    """
    ids, mask = batch["input_ids"], batch["mask"]
    inner = mask & ~special[ids]
    draw = torch.rand(len(edits), len(ids), generator=generator, device=ids.device)
    methods = draw.argsort(0)
    views = [
        [edit(batch, inner, generator, share, pad_id) for edit, share in edits] for _ in range(2)
    ]
    first, second = (
        _of_each(made, methods[min(index, len(edits) - 1)], pad_id)
        for index, made in enumerate(views)
    )
    return first, second


def _of_each(made: list[Batch], method: Tensor, pad_id: int) -> Batch:
    """Return each row (B,) from the batch of its edit."""
    width = max(view["mask"].shape[1] for view in made)
    row = torch.arange(len(method), device=method.device)
    ids, mask = (
        torch.stack(
            [
                torch.nn.functional.pad(view[key], (0, width - view[key].shape[1]), value=fill)
                for view in made
            ]
        )[method, row]
        for key, fill in (("input_ids", pad_id), ("mask", False))
    )
    longest = max(1, int(mask.sum(1).max()))
    return {"input_ids": ids[:, :longest], "mask": mask[:, :longest]}


def some(
    inner: Tensor, share: float, generator: torch.Generator, of: Tensor | None = None
) -> Tensor:
    """Choose ``max(1, round(share n))`` of the n positions of each row that may be edited.

    Args:
        of: (B,T) the positions that are counted as n, if they are more.
    """
    draw = torch.rand(inner.shape, generator=generator, device=inner.device)
    counted = inner if of is None else of
    wanted = (counted.sum(1, keepdim=True) * share).round().long().clamp(min=1)
    return inner & (draw.masked_fill(~inner, 2.0).argsort(1).argsort(1) < wanted)


def _drawn(ids: Tensor, inner: Tensor, generator: torch.Generator) -> Tensor:
    """Return (B,T) ids, each from a random position of the batch that may be edited."""
    pool = ids[inner] if bool(inner.any()) else ids.flatten()
    return pool[torch.randint(len(pool), ids.shape, generator=generator, device=ids.device)]


def _closed_up(batch: Batch, kept: Tensor, pad_id: int) -> Batch:
    """Move the kept tokens to the left of each row."""
    order = (~kept).long().argsort(dim=1, stable=True)
    longest = max(1, int(kept.sum(1).max()))
    mask = kept.gather(1, order)[:, :longest]
    ids = batch["input_ids"].gather(1, order)[:, :longest]
    return {"input_ids": ids.masked_fill(~mask, pad_id), "mask": mask}
