"""Decoding recordings: from a path or bytes of a common format to samples, or a plain reason.

libsndfile reads the files, through soundfile; SciPy's polyphase filters change the rate. Nothing is
played, and no other program is called.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.data.streams import EMPTY

if TYPE_CHECKING:
    from soundfile import SoundFile

#: Samples a second that a file may have.
LOWEST, HIGHEST = 1_000, 768_000
#: Shortest recording, in seconds: two frames of a spectrogram.
SHORTEST = 0.04
#: Seconds of a file that are decoded at a time, and around them for the filter of the rate.
BLOCK, CONTEXT = 60.0, 0.05
#: Frames this far below the loudest one are silence, in dB, and seconds of such a frame.
SILENT, TRIMMED = 40.0, 0.01
#: Largest denominator of a ratio of rates; odd ones are rounded by less than a tenth of a percent.
_DENOMINATOR = 1000

NOT_AUDIO = "it is no recording of a known kind (WAV, FLAC, Ogg, Opus, MP3, AIFF or AU)"
DAMAGED = "it is damaged; copy or download it again"
CUT_SHORT = "it is cut short; copy or download it again"
NO_SAMPLES = "it has no samples"
TOO_SHORT = f"it is shorter than {SHORTEST:g} seconds"
NOT_FINITE = "some of its samples are not finite numbers"
NO_FILE = "the file is gone; restore it, or leave it out of the sources"
NO_RATE = (
    f"its header gives {{rate:,}} samples a second, and {LOWEST:,} to {HIGHEST:,} are possible; "
    "save it anew"
)
NO_CHANNEL = "it has {count} channel(s), and audio.channel asks for number {channel}"


class BadAudio(Exception):
    """A recording cannot be decoded; the message is the reason."""


class About(NamedTuple):
    """What the header of a recording says.

    Attributes:
        format, subtype: of libsndfile, such as ``WAV`` and ``PCM_16``.
        rate: samples a second.
        channels: their number.
        samples: of each channel.
    """

    format: str
    subtype: str
    rate: int
    channels: int
    samples: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.samples / self.rate


def about(value: Mapping[str, Any]) -> About:
    """Read the header of a recording; raises :class:`BadAudio`."""
    with _opened(value) as file:
        return _header(file)


def decode(
    value: Mapping[str, Any],
    rate: int,
    *,
    channel: int | None = None,
    trim: bool = False,
    seconds: float = math.inf,
) -> np.ndarray:
    """Return a recording as float32 (S,) in -1..1 at ``rate`` samples a second.

    The mean of each file is removed (a DC offset), and a file of floats that goes beyond 1 is
    scaled to it.

    Args:
        value: ``bytes``, an encoded file, or else the ``path`` of one.
        channel: the channel, from 1; None is the mean of those that are not silent throughout.
        trim: leave out the silence at the beginning and the end.
        seconds: read no more than so many from the beginning; the rest is not decoded.

    Raises:
        BadAudio: it is empty, damaged, no recording, or has samples that are not finite.
    """
    parts = list(blocks(value, rate, channel=channel, seconds=seconds))
    samples = parts[0] if len(parts) == 1 else np.concatenate(parts)
    samples = samples - samples.mean()
    loudest = float(np.abs(samples).max())
    if loudest > 1:
        samples /= loudest
    return trimmed(samples, rate) if trim else samples


def blocks(
    value: Mapping[str, Any],
    rate: int,
    *,
    channel: int | None = None,
    seconds: float = math.inf,
) -> Iterator[np.ndarray]:
    """Yield a recording of any length as parts (S',) float32 at ``rate``, in order.

    Together they are the whole: each is decoded with some samples around it, so that the filter
    leaves no seam.

    Raises:
        BadAudio: see :func:`decode`; in a long file possibly after some parts.
    """
    with _opened(value) as file:
        found = _header(file)
        if channel is not None and channel > found.channels:
            raise BadAudio(NO_CHANNEL.format(count=found.channels, channel=channel))
        ratio = Fraction(rate, found.rate).limit_denominator(_DENOMINATOR)
        total = min(found.samples, math.ceil(min(seconds, found.seconds) * found.rate))
        step = ratio.denominator * max(1, round(BLOCK * found.rate / ratio.denominator))
        margin = ratio.denominator * math.ceil(CONTEXT * found.rate / ratio.denominator)
        yielded = 0
        for start in range(0, total, step):
            before = min(margin, start)
            wanted = min(total, start + step) - start
            read = _mixed(_read(file, start - before, before + wanted + margin), channel)
            found_here = min(wanted, len(read) - before)
            if found_here <= 0:
                break
            yielded += found_here
            skip = before * ratio.numerator // ratio.denominator
            count = math.ceil(found_here * ratio.numerator / ratio.denominator)
            yield _at_rate(read, ratio)[skip : skip + count]
            if found_here < wanted:
                break
        if yielded < SHORTEST * found.rate:
            promised = found.samples >= SHORTEST * found.rate
            raise BadAudio(CUT_SHORT if promised else TOO_SHORT if yielded else NO_SAMPLES)


def trimmed(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return samples (S,) without the silence at both ends; all where nothing is louder."""
    size = max(1, round(rate * TRIMMED))
    count = len(samples) // size
    power = np.square(samples[: count * size].reshape(count, size)).mean(1)
    loud = np.flatnonzero(power > power.max(initial=0) * 10 ** (-SILENT / 10))
    if not len(loud):
        return samples
    kept = samples[loud[0] * size : (loud[-1] + 1) * size]
    return kept if len(kept) >= SHORTEST * rate else samples


@contextmanager
def _opened(value: Mapping[str, Any]) -> Iterator[SoundFile]:
    """Open a file without decoding it."""
    import soundfile

    data = value["bytes"]
    if data is None and not os.path.isfile(value["path"]):
        raise BadAudio(NO_FILE)
    try:
        if data is None and os.path.getsize(value["path"]) == 0:
            raise BadAudio(EMPTY)
        file = soundfile.SoundFile(value["path"] if data is None else io.BytesIO(data))
    except soundfile.LibsndfileError as error:
        raise BadAudio(_reason(value, error.code)) from None
    except (TypeError, ValueError):  # what a name like song.raw or an odd header leads to
        raise BadAudio(NOT_AUDIO) from None
    except OSError as error:
        raise BadAudio(f"it cannot be read ({error.strerror})") from None
    with file:
        yield file


def _reason(value: Mapping[str, Any], code: int) -> str:
    """Return why libsndfile cannot open a file: its format is unknown, or its header is broken."""
    if code == _UNKNOWN:
        return NOT_AUDIO
    if code == _SYSTEM and value["bytes"] is None and not os.access(value["path"], os.R_OK):
        return "it cannot be read (Permission denied)"
    return DAMAGED


#: Errors of libsndfile: an unknown format, and one of the system.
_UNKNOWN, _SYSTEM = 1, 2


def _header(file: SoundFile) -> About:
    rate, samples = int(file.samplerate), int(file.frames)
    if not LOWEST <= rate <= HIGHEST:
        raise BadAudio(NO_RATE.format(rate=rate))
    if samples <= 0:
        raise BadAudio(NO_SAMPLES)
    return About(file.format, file.subtype, rate, int(file.channels), samples)


def _read(file: SoundFile, start: int, count: int) -> np.ndarray:
    """Return samples (S,C) float32 from ``start``; fewer where the file ends before."""
    import soundfile

    try:
        if file.tell() != start:
            file.seek(start)
        samples: np.ndarray = file.read(count, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, OSError, ValueError):
        raise BadAudio(DAMAGED) from None
    if not np.isfinite(samples).all():
        raise BadAudio(NOT_FINITE)
    return samples


def _mixed(samples: np.ndarray, channel: int | None) -> np.ndarray:
    """Return one channel (S,) of samples (S,C), or the mean of those that are not dead."""
    if channel is not None:
        return np.ascontiguousarray(samples[:, channel - 1])
    if samples.shape[1] == 1:
        return samples[:, 0]
    live = samples.any(0)
    return samples[:, live if live.any() else slice(None)].mean(1)


def _at_rate(samples: np.ndarray, ratio: Fraction) -> np.ndarray:
    """Return samples at ``ratio`` times their rate, without aliasing."""
    if ratio == 1:
        return samples
    from scipy.signal import resample_poly

    taps = _taps(ratio)
    found: np.ndarray = resample_poly(samples, ratio.numerator, ratio.denominator, window=taps)
    return found.astype(np.float32)


@lru_cache(maxsize=64)
def _taps(ratio: Fraction) -> np.ndarray:
    """Return the filter that SciPy would design for each recording anew."""
    from scipy.signal import firwin

    most = max(ratio.numerator, ratio.denominator)
    return np.asarray(firwin(20 * most + 1, 1 / most, window=("kaiser", 5.0)), dtype=np.float32)
