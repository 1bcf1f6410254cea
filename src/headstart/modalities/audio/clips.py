"""Decoded recordings, which several candidates of an evaluation read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.modalities.audio.decode import BadAudio, decode
from headstart.modalities.remembered import Remembered


def decode_clip(
    value: Mapping[str, Any],
    rate: int,
    channel: int | None = None,
    trim: bool = False,
    seconds: float = math.inf,
) -> np.ndarray | str:
    """Return the samples (S,) float32 of a recording, or the reason why it cannot be decoded."""
    try:
        return decode(value, rate, channel=channel, trim=trim, seconds=seconds)
    except BadAudio as bad:
        return str(bad)


#: From the struct of a recording, and how it is read, to its samples.
CLIPS = Remembered(decode_clip, "recording")
