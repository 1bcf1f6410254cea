"""BART's ways to damage texts (Lewis et al. 2020, section 2.2, and the original code).

Each takes the texts of a batch without the special tokens around them and returns them damaged,
all rows at once. Shares are of the tokens of a row, and counts exact: ``ceil(share L)``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from headstart.objectives.rewriting import Body, chosen, closed_up


def permute_sentences(text: Body, starts: Tensor, generator: torch.Generator) -> Body:
    """Put the sentences in a random order; ``starts`` (B,W) is True where one begins."""
    number = (starts & text.real).long().cumsum(1)
    rows, width = number.shape
    draw = torch.rand(rows, width + 1, generator=generator, device=number.device)
    # All tokens of a sentence have the draw of its number; what is not real stays behind.
    key = draw.gather(1, number).masked_fill(~text.real, 2.0)
    return Body(text.ids.gather(1, key.argsort(dim=1, stable=True)), text.size)


def mask(text: Body, share: float, mask_id: int, generator: torch.Generator) -> Body:
    """Let ``mask_id`` stand in the place of a share of the tokens, one for each."""
    hit = chosen(text.real, budget(text.size, share), generator)
    return Body(text.ids.masked_fill(hit, mask_id), text.size)


def delete(text: Body, share: float, generator: torch.Generator) -> Body:
    """Take a share of the tokens out without a trace; one stays."""
    count = budget(text.size, share).minimum((text.size - 1).clamp(min=0))
    return closed_up(text.ids, text.real & ~chosen(text.real, count, generator))


def replace(text: Body, share: float, plain: Tensor, generator: torch.Generator) -> Body:
    """Put any of the ``plain`` ids in the place of a share of the tokens."""
    hit = chosen(text.real, budget(text.size, share), generator)
    index = torch.randint(len(plain), text.ids.shape, generator=generator, device=text.ids.device)
    return Body(torch.where(hit, plain[index], text.ids), text.size)


def infill(text: Body, share: float, span: float, mask_id: int, generator: torch.Generator) -> Body:
    """Take spans out that make up a share of the tokens, one mask in the place of each.

    Lengths are Poisson with mean ``span``; a span of length 0 inserts a mask. Spans are drawn
    until the budget is spent, the last is cut, and any arrangement of them is as likely.
    """
    count = budget(text.size, share)
    most = text.ids.shape[1]
    rate = torch.full((len(text.ids), most), span, device=text.ids.device)
    drawn = torch.poisson(rate, generator=generator).long()
    before = drawn.cumsum(1) - drawn
    used = before < count[:, None]
    drawn = drawn.minimum((count[:, None] - before).clamp(min=0))
    # Should chance have drawn too little, the last span takes what is left.
    drawn[:, -1] += count - drawn.sum(1)
    used[:, -1] |= drawn[:, -1] > 0
    # The one that was cut must not always be the last of the text.
    score = torch.rand(used.shape, generator=generator, device=used.device)
    lengths = drawn.gather(1, score.masked_fill(~used, 2.0).argsort(1))

    spans = used.sum(1)
    size = text.size - count + spans
    index = torch.arange(max(1, int(size.max())), device=size.device)
    holes = chosen(index < size[:, None], spans, generator)
    turn = (holes.long().cumsum(1) - 1).clamp(min=0)
    taken = torch.where(holes, lengths.gather(1, turn), 1)
    source = (taken.cumsum(1) - taken).clamp(0, most - 1)
    return Body(text.ids.gather(1, source).masked_fill(holes, mask_id), size)


def rotate(text: Body, generator: torch.Generator) -> Body:
    """Let a text begin with any of its tokens; what stood before follows at the end."""
    draw = torch.rand(len(text.ids), 1, generator=generator, device=text.ids.device)
    size = text.size[:, None]
    shift = (draw * size).long()
    index = torch.arange(text.ids.shape[1], device=text.ids.device)
    moved = torch.where(text.real, (index + shift) % size.clamp(min=1), index)
    return Body(text.ids.gather(1, moved), text.size)


def budget(size: Tensor, share: float) -> Tensor:
    """Return ``ceil(share L)`` (B,) for texts of L tokens (B,)."""
    # 0.3 x 10 is a little more than 3 to a computer.
    return (size.double() * share - 1e-9).ceil().long()
