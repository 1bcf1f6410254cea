"""Random views of series, made for whole batches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: From series (B,C,T) and a generator to a view of the same shape.
View = Callable[[Tensor, torch.Generator], Tensor]


def jitter(series: Tensor, generator: torch.Generator) -> Tensor:
    """Add noise to each reading: a tenth of the deviation of all series."""
    return series + 0.1 * torch.randn(series.shape, generator=generator, device=series.device)


def scaling(series: Tensor, generator: torch.Generator) -> Tensor:
    """Stretch all readings of a series by one factor, from 0.7 to 1.3."""
    drawn = torch.rand(len(series), 1, 1, generator=generator, device=series.device)
    return series * (0.7 + 0.6 * drawn)


def crop(series: Tensor, generator: torch.Generator) -> Tensor:
    """Stretch a window, half of the series at least, to the whole length."""
    count, channels, length = series.shape
    drawn = torch.rand(2, count, 1, generator=generator, device=series.device)
    share = 0.5 + 0.5 * drawn[0]
    start = (1 - share) * drawn[1]
    along = torch.linspace(0, 1, length, device=series.device)
    at = (start + share * along) * (length - 1)  # (B,T): where to read
    left = at.floor().long().clamp(max=length - 2)
    weight = (at - left)[:, None]
    left = left[:, None].expand(-1, channels, -1)
    return series.gather(2, left) * (1 - weight) + series.gather(2, left + 1) * weight


def strong(series: Tensor, generator: torch.Generator) -> Tensor:
    """Crop, scale and jitter."""
    return jitter(scaling(crop(series, generator), generator), generator)


VIEWS: dict[str, View] = {"auto": strong, "jitter": jitter, "scaling": scaling, "crop": crop}
