"""Spectrograms and what is made of them, against plain definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.fft import dct

from headstart.modalities.spectra import (
    cepstra,
    frames_of,
    log_mel,
    mel_filters,
    on_grid,
    slopes,
)
from headstart.seeding import generator


def naive(samples: np.ndarray, rate: int, bands: int) -> np.ndarray:
    """Return the spectrogram (M,T) frame by frame."""
    step, size = rate // 100, rate // 40
    points = 2 ** math.ceil(math.log2(size))
    blank = (points - size) // 2
    window = np.zeros(points)
    window[blank : blank + size] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    padded = np.concatenate([np.zeros(points // 2 - step // 2), samples, np.zeros(points)])
    filters = mel_filters(rate, points, bands).numpy()
    found = []
    for t in range(max(1, len(samples) // step)):
        power = np.abs(np.fft.rfft(padded[t * step : t * step + points] * window)) ** 2
        found.append(np.log(4 / size**2 * filters @ power + 1e-9))
    return np.array(found).T


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_spectrogram_is_that_of_its_frames(rate: int) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, rate // 3).astype(np.float32)
    found = log_mel(torch.from_numpy(samples)[None], rate, 40)[0]
    np.testing.assert_allclose(found, naive(samples, rate, 40), atol=1e-3)


def test_a_tone_is_in_the_band_of_its_pitch() -> None:
    at = torch.arange(8000) / 8000
    for pitch in (200, 1000, 3000):
        mel = log_mel(torch.sin(2 * math.pi * pitch * at)[None], 8000, 40)[0]
        filters = mel_filters(8000, 256, 40)
        wanted = int(filters[:, round(pitch / 8000 * 256)].argmax())
        assert abs(int(mel.mean(1).argmax()) - wanted) <= 1


def test_every_band_hears_something() -> None:
    assert (mel_filters(8000, 256, 64).sum(1) > 0).all()


def test_silence_is_finite() -> None:
    assert torch.isfinite(log_mel(torch.zeros(1, 4000), 8000)).all()


def test_cepstra_are_the_cosine_transform() -> None:
    mel = torch.randn(2, 40, 7, generator=generator(0))
    wanted = dct(mel.numpy(), type=2, axis=1)[:, :13] / 2 * math.sqrt(2 / 40)
    np.testing.assert_allclose(cepstra(mel, 13), wanted, atol=1e-4)


def test_the_slope_of_a_line_is_its_slope() -> None:
    line = 3.0 * torch.arange(20.0)[None, None]
    torch.testing.assert_close(slopes(line)[0, 0, 2:-2], torch.full((16,), 3.0))


def test_means_on_a_grid_are_exact_and_ignore_padding() -> None:
    values = torch.arange(12.0)[None, None].clone()
    found = on_grid(values, torch.tensor([8]), 4)
    torch.testing.assert_close(found[0, 0], torch.tensor([0.5, 2.5, 4.5, 6.5]))
    uneven = on_grid(values, torch.tensor([3]), 2)[0, 0]
    # the middle frame is half in the first part, half in the second
    torch.testing.assert_close(uneven, torch.tensor([(0 + 0.5) / 1.5, (0.5 + 2) / 1.5]))
    torch.testing.assert_close(on_grid(values, torch.tensor([1]), 3)[0, 0], torch.zeros(3))


def test_frames_are_counted_in_steps() -> None:
    assert frames_of(torch.tensor([10, 80, 170]), 8000).tolist() == [1, 1, 2]
