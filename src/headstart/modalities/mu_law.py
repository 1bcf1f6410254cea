"""Mu-law codes of samples: 256 classes that are narrow where speech is, near silence.

The compression of ITU-T G.711, with its formula and not its table, as WaveNet has it (van den Oord
et al. 2016, https://arxiv.org/abs/1609.03499, section 2.2). A sample is a share of the full scale
of its file: 1 is as loud as the file can hold, whatever the loudest sample is. No recording is made
louder or quieter, so that bits a sample compare between networks and data sets.
"""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from headstart.modalities.processor import Vocabulary

#: The compression, and the number of codes.
MU, CODES = 255, 256
#: The code of silence.
SILENCE = 128
#: What a network of mu-law codes predicts: no code is special, and silence fills up rows.
VOCABULARY = Vocabulary(size=CODES, pad_id=SILENCE, special_ids=())


def encode(samples: Tensor) -> Tensor:
    """Return the codes (...) int64 in 0..255 of samples (...) in -1..1; louder ones are clipped.

    Example::

        encode(torch.tensor([-1.0, 0.0, 1.0]))  # 0, 128, 255
    """
    samples = samples.float().clamp(-1, 1)
    pressed = samples.sign() * (MU * samples.abs()).log1p() / math.log1p(MU)  # -1..1
    return ((pressed + 1) / 2 * MU + 0.5).long()


def decode(codes: np.ndarray) -> np.ndarray:
    """Return the samples (...) float32 in -1..1 of codes (...): the middle of each class."""
    pressed = 2 * np.asarray(codes, dtype=np.float64) / MU - 1
    found: np.ndarray = np.sign(pressed) * np.expm1(np.abs(pressed) * math.log1p(MU)) / MU
    return found.astype(np.float32)
