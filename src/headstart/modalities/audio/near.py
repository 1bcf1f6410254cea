"""Near duplicates of recordings: another format, rate or loudness of the same recording.

Two recordings are near duplicates if they last equally long and their spectrograms, of 32 bands at
32 moments, correlate almost fully after each is brought to mean 0. What was cut, sped up or mixed
with something else is not found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.data.survey import spread
from headstart.modalities.audio.decode import BadAudio, decode

if TYPE_CHECKING:
    from datasets import Dataset

#: Most recordings that are compared for near duplicates, and before a split.
MOST_COMPARED, MOST_SPLIT = 20_000, 10_000
#: Spectrograms of near duplicates correlate at least this much. Of 3,000 spoken digits the nearest
#: two of different takes have .985, and copies in other formats and rates .994 and more.
ALIKE = 0.99
#: Largest difference in length, as a share; MP3 adds some silence at both ends.
LENGTHS, ADDED = 0.01, 0.12

#: Rate at which they are compared, seconds from the beginning, bands and moments.
_RATE, _SECONDS, _BANDS, _MOMENTS = 8000, 60.0, 32, 32
#: What is this far below the loudest band and moment counts as silent, in nepers of power.
_RANGE = 8.0
_CHUNK = 256


class Prints(NamedTuple):
    """Fingerprints of n recordings: indices (n,), seconds (n,), unit vectors (n,1024) float32."""

    indices: np.ndarray
    seconds: np.ndarray
    vectors: np.ndarray


def matches(
    background: Dataset, tested: Dataset, notes: list[str], *, most: int | None = MOST_COMPARED
) -> Iterator[tuple[int, int]]:
    """Yield (index in the background, index of a tested recording) of near duplicates.

    Args:
        notes: a note is appended where not all was searched.
        most: size of an even sample of the background that is compared; None for all.
    """
    known = _joined(list(_prints(tested, np.arange(len(tested)))))
    chosen = spread(len(background), most)
    if len(chosen) < len(background):
        notes.append(
            f"Near duplicates were looked for among {len(chosen):,} of the "
            f"{len(background):,} recordings of the pre-training."
        )
    for part in _prints(background, chosen):
        for at, row in zip(*np.nonzero(_alike(part, known)), strict=True):
            yield int(part.indices[at]), int(known.indices[row])


def near_pairs(records: Dataset, notes: list[str], most: int = MOST_SPLIT) -> np.ndarray:
    """Return all pairs (m,2) of a recording and an earlier near duplicate, exact ones among them.

    Of very many an even sample of ``most`` is searched, which is noted.
    """
    chosen = spread(len(records), most)
    if len(chosen) < len(records):
        notes.append(
            f"Near duplicates were looked for among {len(chosen):,} of {len(records):,} recordings."
        )
    known = _joined(list(_prints(records, chosen)))
    pairs = []
    for start in range(0, len(known.indices), _CHUNK):
        part = Prints(*(column[start : start + _CHUNK] for column in known))
        for at, row in zip(*np.nonzero(_alike(part, known)), strict=True):
            if row < start + at:
                pairs.append((known.indices[start + at], known.indices[row]))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _alike(part: Prints, known: Prints) -> np.ndarray:
    """Return (p,k) bool: which recordings are near duplicates."""
    longer = np.maximum(part.seconds[:, None], known.seconds)
    apart = np.abs(part.seconds[:, None] - known.seconds)
    found: np.ndarray = (part.vectors @ known.vectors.T >= ALIKE) & (
        apart <= LENGTHS * longer + ADDED
    )
    return found


def _prints(records: Dataset, indices: np.ndarray) -> Iterator[Prints]:
    """Yield the fingerprints of the recordings at ``indices`` that can be decoded, in chunks."""
    for start in range(0, len(indices), _CHUNK):
        chosen = indices[start : start + _CHUNK]
        found = [_print(value) for value in records.select(chosen)[:]["audio"]]
        sound = [index for index, one in enumerate(found) if one is not None]
        kept = [one for one in found if one is not None]
        yield Prints(
            chosen[sound],
            np.array([seconds for seconds, _ in kept], np.float64),
            np.array([vector for _, vector in kept], np.float32).reshape(-1, _BANDS * _MOMENTS),
        )


def _print(value: Mapping[str, Any]) -> tuple[float, np.ndarray] | None:
    """Return the seconds and the unit vector of a recording, None for a damaged one."""
    import torch

    from headstart.modalities.spectra import log_mel, on_grid

    try:
        samples = decode(value, _RATE, seconds=_SECONDS)
    except BadAudio:
        return None
    # Those of 8 kHz, 44.1 kHz and MP3 differ above 3 kHz, in the highest bands.
    mel = log_mel(torch.from_numpy(samples)[None], _RATE, _BANDS + 6)[:, :_BANDS]
    mel = mel.clamp(min=float(mel.max()) - _RANGE)
    vector = on_grid(mel, torch.tensor([mel.shape[2]]), _MOMENTS).flatten().numpy()
    vector = vector - vector.mean()
    return len(samples) / _RATE, vector / max(float(np.linalg.norm(vector)), 1e-6)


def _joined(parts: list[Prints]) -> Prints:
    if not parts:
        return Prints(np.empty(0, np.int64), np.empty(0), np.empty((0, _BANDS * _MOMENTS)))
    return Prints(*(np.concatenate(column) for column in zip(*parts, strict=True)))
