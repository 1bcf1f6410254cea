"""Realistic corruptions of recordings: noise, another loudness, a cut, a telephone.

Each changes the samples of a decoded recording, so that it has the same strength at any rate.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.store import with_content

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Corruption
    from headstart.modalities.audio.reading import Reading

#: Level of the noise, in dB below the recording.
_NOISE = {1: 30.0, 2: 20.0, 3: 10.0}
#: Change of the loudness in dB, where what is beyond full is clipped.
_GAIN = {1: 6.0, 2: 15.0, 3: 30.0}
#: Share that is cut, at the beginning or at the end.
_CUT = {1: 0.1, 2: 0.2, 3: 0.35}
#: Band of the line in Hz: G.712, a poor line, a very poor one.
_BAND = {1: (300.0, 3400.0), 2: (400.0, 2800.0), 3: (600.0, 2000.0)}

#: From samples (S,) in -1..1, their rate, a severity and a generator to samples.
Change = Callable[[np.ndarray, int, int, np.random.Generator], np.ndarray]


def noise(samples: np.ndarray, rate: int, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Add white noise."""
    level = np.sqrt(np.square(samples).mean()) * 10 ** (-_NOISE[severity] / 20)
    return samples + rng.standard_normal(len(samples)) * level


def gain(samples: np.ndarray, rate: int, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Make the recording louder, so that it is clipped, or quieter."""
    change = _GAIN[severity] * (1 if rng.random() < 0.5 else -1)
    loudest = max(float(np.abs(samples).max()), 1e-6)
    return (samples / loudest * 10 ** (change / 20)).clip(-1, 1)


def cut(samples: np.ndarray, rate: int, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Leave out the beginning or the end."""
    kept = max(round(0.05 * rate), round(len(samples) * (1 - _CUT[severity])))
    return samples[:kept] if rng.random() < 0.5 else samples[-kept:]


def telephone(
    samples: np.ndarray, rate: int, severity: int, rng: np.random.Generator
) -> np.ndarray:
    """Keep the band of a telephone line, in the 8 bits of mu-law."""
    low, high = _BAND[severity]
    spectrum = np.fft.rfft(samples)
    pitch = np.fft.rfftfreq(len(samples), 1 / rate)
    spectrum[(pitch < low) | (pitch > high)] = 0
    heard = np.fft.irfft(spectrum, len(samples)).clip(-1, 1)
    packed = np.sign(heard) * np.log1p(255 * np.abs(heard)) / np.log(256)
    steps = np.round(packed * 127) / 127
    return np.sign(steps) * (256 ** np.abs(steps) - 1) / 255


def as_wav(records: Dataset, reading: Reading) -> Dataset:
    """Return recordings as the samples that the encoder reads, so that corruptions work on these.

    They are stored as floats, which :func:`_of_value` changes.
    """
    from headstart.modalities.audio.clips import CLIPS

    values = [
        encoded(CLIPS.require(value, *reading.how, name=name), reading.rate)
        for value, name in zip(records["audio"], records["id"], strict=True)
    ]
    return with_content(records, "audio", values)


def encoded(samples: np.ndarray, rate: int) -> dict[str, Any]:
    """Return samples (S,) as the bytes of a WAV file of floats."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples.astype(np.float32), rate, format="WAV", subtype="FLOAT")
    return {"bytes": file.getvalue(), "path": None}


def _of_value(change: Change) -> Corruption:
    """Return a change of samples as one of the values that :func:`as_wav` stores."""

    def corrupt(value: Any, severity: int, rng: np.random.Generator) -> Any:
        import soundfile

        samples, rate = soundfile.read(io.BytesIO(value["bytes"]), dtype="float32")
        return encoded(change(samples, rate, severity, rng), rate)

    return corrupt


CORRUPTIONS = {change.__name__: _of_value(change) for change in (noise, gain, cut, telephone)}
