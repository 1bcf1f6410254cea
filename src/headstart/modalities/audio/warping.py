"""Dynamic time warping: how far recordings are apart, where each may be faster or slower.

Sakoe & Chiba 1978, "Dynamic programming algorithm optimization for spoken word recognition". All
pairs of many recordings at once, on cepstra at equal moments.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Moments of each recording.
MOMENTS = 24
#: Pairs at a time, so that their matrices fit in memory.
_PAIRS = 20_000


def warped(tested: Tensor, templates: Tensor) -> Tensor:
    """Return the cost (N,M) of the best alignment of each pair.

    A step goes one moment on in either recording or in both; one in both costs twice its distance,
    so that all paths have the same weight.

    Args:
        tested, templates: (N,C,T) and (M,C,T) vectors at T moments.
    """
    at_once = max(1, _PAIRS // max(1, len(templates)))
    return torch.cat([_costs(part, templates) for part in tested.split(at_once)])


def _costs(tested: Tensor, templates: Tensor) -> Tensor:
    moments = tested.shape[2]
    rows, columns = tested.transpose(1, 2), templates.transpose(1, 2)  # (N,T,C), (M,T,C)
    squares = rows.square().sum(2)[:, None, :, None] + columns.square().sum(2)[None, :, None, :]
    product = torch.einsum("ntc,muc->nmtu", rows, columns)
    apart = (squares - 2 * product).clamp(min=0).sqrt()  # (N,M,T,T)
    apart = apart.permute(2, 3, 0, 1).contiguous()
    before: list[Tensor] = []
    for i in range(moments):
        row: list[Tensor] = []
        for j in range(moments):
            own = apart[i, j]
            if i and j:
                best = torch.minimum(before[j], row[j - 1]) + own
                row.append(torch.minimum(best, before[j - 1] + 2 * own))
            elif i or j:
                row.append((before[j] if i else row[j - 1]) + own)
            else:
                row.append(2 * own)
        before = row
    return before[-1] / (2 * moments)
