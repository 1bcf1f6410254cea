"""Log-mel spectrograms and what is made of them: cepstra, slopes, means on a grid of time.

A frame is 25 ms long and a step 10 ms, as is usual for speech. Everything works on whole batches of
padded waveforms and gives each row the same values as alone.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

#: Seconds of a frame, and between the beginnings of two frames.
FRAME, STEP = 0.025, 0.010
#: Power below which everything is silence, relative to a full sine wave: about -90 dB.
FLOOR = 1e-9
#: Bands of the mel scale.
BANDS = 40


def step_of(rate: int) -> int:
    """Return the samples between the beginnings of two frames."""
    return round(rate * STEP)


def frames_of(lengths: Tensor, rate: int) -> Tensor:
    """Return the number of frames of recordings of ``lengths`` samples: one a step, or one."""
    return (lengths // step_of(rate)).clamp(min=1)


def log_mel(waveform: Tensor, rate: int, bands: int = BANDS) -> Tensor:
    """Return the logarithm of the power in each band of the mel scale.

    Args:
        waveform: (B,S) floats in -1..1.
        rate: samples a second.
        bands: M.

    Returns:
        (B,M,T) float32 with T as of :func:`frames_of`; frame t is centred on the step t.
    """
    step = step_of(rate)
    size = round(rate * FRAME)
    count = max(1, waveform.shape[1] // step)
    points = 2 ** math.ceil(math.log2(size))
    # A row that is padded and one that is not see the same silence behind their end.
    waveform = F.pad(waveform.float(), (points // 2 - step // 2, points))
    frames = waveform.unfold(1, points, step)[:, :count]
    spectrum = torch.fft.rfft(frames * _window(size, points).to(waveform.device))
    power = spectrum.real.square() + spectrum.imag.square()  # (B,T,F)
    filters = mel_filters(rate, points, bands).to(waveform.device)
    scale = 4 / size**2
    return (power @ filters.T * scale + FLOOR).log().transpose(1, 2)


@lru_cache(maxsize=16)
def _window(size: int, points: int) -> Tensor:
    """Return Hann's window of ``size`` in the middle of ``points``."""
    blank = (points - size) // 2
    return F.pad(torch.hann_window(size), (blank, points - size - blank))


@lru_cache(maxsize=16)
def mel_filters(rate: int, points: int, bands: int) -> Tensor:
    """Return triangles (M, points/2+1) that are evenly spaced in mel from 60 Hz up.

    Mel is 2595 log10(1 + f/700). The highest band ends at half of the rate. A band narrower than
    the distance of two frequencies takes the nearest one.
    """
    low, high = (2595 * math.log10(1 + f / 700) for f in (60.0, rate / 2))
    edges = 700 * (10 ** (torch.linspace(low, high, bands + 2, dtype=torch.float64) / 2595) - 1)
    bins = torch.linspace(0, rate / 2, points // 2 + 1, dtype=torch.float64)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters = torch.minimum(rise, fall).clamp(min=0)
    empty = filters.sum(1) == 0
    nearest = (bins - edges[1:-1, None]).abs().argmin(1)
    filters[empty, nearest[empty]] = 1.0
    return filters.float()


def cepstra(mel: Tensor, count: int) -> Tensor:
    """Return the first coefficients (B,count,T) of the cosine transform (II) of bands (B,M,T)."""
    bands = mel.shape[1]
    at = torch.arange(bands, device=mel.device) + 0.5
    order = torch.arange(count, device=mel.device)
    basis = torch.cos(math.pi / bands * order[:, None] * at) * math.sqrt(2 / bands)
    return basis @ mel


def slopes(values: Tensor, reach: int = 2) -> Tensor:
    """Return the slope (B,C,T) over time of values (B,C,T), by regression over 2 reach + 1 frames.

    The ends are repeated (the deltas of the HTK book, section 5.9).
    """
    steps = torch.arange(-reach, reach + 1, device=values.device, dtype=values.dtype)
    weights = (steps / steps.square().sum())[None, None]
    flat = F.pad(values.flatten(0, 1)[:, None], (reach, reach), mode="replicate")
    return F.conv1d(flat, weights)[:, 0].view_as(values)


def real_frames(frames: Tensor, total: int) -> Tensor:
    """Return (B,T) bool, True at the first ``frames`` (B,) of ``total`` positions."""
    return torch.arange(total, device=frames.device) < frames[:, None]


def on_grid(values: Tensor, frames: Tensor, cells: int) -> Tensor:
    """Return the means (B,C,cells) of values (B,C,T) in equal parts of each row's own time.

    Args:
        values: what lies at and after ``frames`` is ignored.
        frames: (B,) the real positions of each row.
        cells: parts. Where an edge lies within a frame, that frame counts by its shares.
    """
    total = values.shape[2]
    masked = values.float() * real_frames(frames, total)[:, None]
    summed = F.pad(masked.cumsum(2), (1, 0))  # (B,C,T+1)
    edges = torch.arange(cells + 1, device=values.device) / cells * frames[:, None]  # (B,K+1)
    left = edges.floor().long().clamp(max=total - 1)
    share = (edges - left)[:, None]
    index = left[:, None].expand(-1, values.shape[1], -1)
    at = summed.gather(2, index) * (1 - share) + summed.gather(2, index + 1) * share
    return at.diff(dim=2) * (cells / frames)[:, None, None]
