"""Mu-law codes: the formula, silence in the middle, and back."""

from __future__ import annotations

import math

import numpy as np
import torch

from headstart.modalities.mu_law import CODES, SILENCE, decode, encode


def test_codes_are_those_of_the_formula() -> None:
    samples = torch.tensor([-1.0, -0.3, -0.001, 0.0, 0.001, 0.02, 0.5, 1.0])
    expected = [
        math.floor(
            (math.copysign(math.log(1 + 255 * abs(x)) / math.log(256), x) + 1) / 2 * 255 + 0.5
        )
        for x in samples.tolist()
    ]
    assert encode(samples).tolist() == expected
    assert (expected[0], expected[3], expected[-1]) == (0, SILENCE, CODES - 1)


def test_a_sample_of_each_code_has_this_code() -> None:
    codes = np.arange(CODES)
    assert encode(torch.from_numpy(decode(codes))).tolist() == codes.tolist()
    assert abs(decode(np.array([SILENCE]))[0]) < 2e-4


def test_what_is_too_loud_is_clipped_and_near_silence_codes_are_narrow() -> None:
    assert encode(torch.tensor([-7.0, 7.0])).tolist() == [0, CODES - 1]
    widths = np.diff(decode(np.arange(CODES)))
    assert widths[SILENCE] < 2e-4 < 0.02 < widths[-1]
