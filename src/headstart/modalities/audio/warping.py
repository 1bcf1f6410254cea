"""Dynamic time warping: how far recordings are apart, where each may be faster or slower.

Sakoe & Chiba 1978, "Dynamic programming algorithm optimization for spoken word recognition". All
pairs of many recordings at once, on cepstra at equal moments.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Moments of each recording, and by how many an alignment may leave the diagonal.
MOMENTS, BAND = 24, 8
#: Pairs at a time, so that their matrices fit in a cache.
_PAIRS = 40_000


def warped(tested: Tensor, templates: Tensor) -> Tensor:
    """Return the cost (N,M) of the best alignment of each pair.

    A step goes one moment on in either recording or in both; one in both costs twice its distance,
    so that all paths have the same weight. No more than :data:`BAND` moments may be between two
    that are aligned.

    Args:
        tested, templates: (N,C,T) and (M,C,T) vectors at T moments.
    """
    at_once = max(1, _PAIRS // max(1, len(templates)))
    return torch.cat([_costs(part, templates) for part in tested.split(at_once)])


def _costs(tested: Tensor, templates: Tensor) -> Tensor:
    moments = tested.shape[2]
    rows, columns = tested.permute(2, 0, 1), templates.permute(2, 1, 0)  # (T,N,C), (T,C,M)
    lengths, heights = rows.square().sum(2), columns.square().sum(1)  # (T,N), (T,M)
    before: dict[int, Tensor] = {}
    for i in range(moments):
        first, last = max(0, i - BAND), min(moments, i + BAND + 1)
        # (k,N,M): the distances of moment i of the tested to those in the band of the templates
        product = torch.matmul(rows[i], columns[first:last])
        squares = lengths[i][None, :, None] + heights[first:last, None, :]
        apart = squares.sub_(product, alpha=2).clamp_(min=0).sqrt_()
        row: dict[int, Tensor] = {}
        for own, j in zip(apart, range(first, last), strict=True):
            if i == j == 0:
                row[j] = 2 * own
                continue
            straight = [each[at] for each, at in ((before, j), (row, j - 1)) if at in each]
            best = (torch.minimum(*straight) if len(straight) > 1 else straight[0]) + own
            if j - 1 in before:
                best = torch.minimum(best, before[j - 1].add(own, alpha=2))
            row[j] = best
        before = row
    return before[moments - 1] / (2 * moments)
