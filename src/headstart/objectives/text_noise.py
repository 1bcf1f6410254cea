"""BART's noise functions (Lewis et al. 2020, section 2.2, and the original code).

Each maps the texts of a batch, without the special tokens around them, to noisy texts, all rows at
once. A share is of the tokens of a row, and counts are exact: ``ceil(share L)``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from headstart.objectives.rewriting import Body, compact, sample_positions


def permute_sentences(text: Body, starts: Tensor, generator: torch.Generator) -> Body:
    """Put the sentences in a random order; ``starts`` (B,W) is True where one begins."""
    number = (starts & text.real).long().cumsum(1)
    rows, width = number.shape
    draw = torch.rand(rows, width + 1, generator=generator, device=number.device)
    # The tokens of a sentence share one draw; padding stays at the end.
    key = draw.gather(1, number).masked_fill(~text.real, 2.0)
    return Body(text.ids.gather(1, key.argsort(dim=1, stable=True)), text.size)


def mask(text: Body, share: float, mask_id: int, generator: torch.Generator) -> Body:
    """Replace a random share of the tokens by ``mask_id``."""
    hit = sample_positions(text.real, budget(text.size, share), generator)
    return Body(text.ids.masked_fill(hit, mask_id), text.size)


def delete(text: Body, share: float, generator: torch.Generator) -> Body:
    """Delete a random share of the tokens; at least one remains."""
    count = budget(text.size, share).minimum((text.size - 1).clamp(min=0))
    return compact(text.ids, text.real & ~sample_positions(text.real, count, generator))


def replace(text: Body, share: float, plain: Tensor, generator: torch.Generator) -> Body:
    """Replace a random share of the tokens by random ``plain`` ids."""
    hit = sample_positions(text.real, budget(text.size, share), generator)
    index = torch.randint(len(plain), text.ids.shape, generator=generator, device=text.ids.device)
    return Body(torch.where(hit, plain[index], text.ids), text.size)


def infill(text: Body, share: float, span: float, mask_id: int, generator: torch.Generator) -> Body:
    """Replace spans that cover a share of the tokens by one mask each (text infilling).

    Span lengths are Poisson with mean ``span``; a span of length 0 inserts a mask. Spans are drawn
    until they cover the budget, the last is shortened, and all arrangements are equally likely.
    """
    count = budget(text.size, share)
    most = text.ids.shape[1]
    rate = torch.full((len(text.ids), most), span, device=text.ids.device)
    drawn = torch.poisson(rate, generator=generator).long()
    before = drawn.cumsum(1) - drawn
    used = before < count[:, None]
    drawn = drawn.minimum((count[:, None] - before).clamp(min=0))
    # If the drawn spans cover too little, the last one takes the rest.
    drawn[:, -1] += count - drawn.sum(1)
    used[:, -1] |= drawn[:, -1] > 0
    # Shuffled, so that the shortened span is not always the last of the text.
    score = torch.rand(used.shape, generator=generator, device=used.device)
    lengths = drawn.gather(1, score.masked_fill(~used, 2.0).argsort(1))

    spans = used.sum(1)
    size = text.size - count + spans
    index = torch.arange(max(1, int(size.max())), device=size.device)
    holes = sample_positions(index < size[:, None], spans, generator)
    index_of_span = (holes.long().cumsum(1) - 1).clamp(min=0)
    taken = torch.where(holes, lengths.gather(1, index_of_span), 1)
    source = (taken.cumsum(1) - taken).clamp(0, most - 1)
    return Body(text.ids.gather(1, source).masked_fill(holes, mask_id), size)


def rotate(text: Body, generator: torch.Generator) -> Body:
    """Rotate each text so that it begins with a uniformly random token."""
    draw = torch.rand(len(text.ids), 1, generator=generator, device=text.ids.device)
    size = text.size[:, None]
    shift = (draw * size).long()
    index = torch.arange(text.ids.shape[1], device=text.ids.device)
    moved = torch.where(text.real, (index + shift) % size.clamp(min=1), index)
    return Body(text.ids.gather(1, moved), text.size)


def budget(size: Tensor, share: float) -> Tensor:
    """Return ``ceil(share L)`` (B,) for texts of L tokens (B,)."""
    # In floating point 0.3 x 10 is slightly more than 3.
    return (size.double() * share - 1e-9).ceil().long()
