"""Simple baselines for recordings, which need no network and a minute or two.

Cepstra with their slopes over the whole; cepstra on a grid of time; patches of spectrograms that
k-means found, on such a grid; and, among few recordings, the one that is nearest after warping its
time. A pre-trained encoder must beat the best of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from headstart.batch import Batch, Progress
from headstart.modalities import Baseline
from headstart.modalities.audio.clips import CLIPS
from headstart.modalities.audio.mel_patches import MelPatches
from headstart.modalities.audio.mfcc import (
    MfccProcessor,
    band_statistics,
    mfcc,
    on_time,
    statistics,
)
from headstart.modalities.audio.processor import AudioProcessor
from headstart.modalities.audio.reading import Reading
from headstart.modalities.audio.warping import MOMENTS, warped
from headstart.modalities.spectra import frames_of, log_mel, on_grid
from headstart.seeding import derive, numbers

if TYPE_CHECKING:
    from datasets import Dataset

#: Recordings that patches are cut from, of each source.
CUT = 600
#: Most pairs of recordings that are warped: two minutes of a core.
PAIRS = 9_000_000
STATISTICS, ON_TIME = "MFCC, mean and deviation", MfccProcessor.name
BANDS = "log-mel, mean and deviation"
PATCHES, WARPED = "mel patches on time cells", "DTW, nearest template"
LINEAR, CURVED = ("logistic regression",), ("logistic regression", "RBF SVM")
_CHUNK = 100

#: From a batch to features (n,D).
Describe = Callable[[Batch], Tensor]


def audio_baselines(
    background: Dataset | None,
    train: Dataset,
    test: Dataset | None,
    reading: Reading,
    *,
    protocol: str = "classification",
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Baseline]:
    """Return the simple alternatives on these recordings.

    Args:
        background: records of the pre-training; patches are cut from them and from ``train``.
        train: training records, in the order of their labels.
        test: test records; None when folds are cut from the training records.
        reading: how recordings are read.
        protocol: the evaluation task; distances to templates are for classes alone, statistics of
            the bands for voices alone.
        progress: called with the number of records done and of all records.

    Raises:
        HeadstartError: a labeled recording cannot be decoded.
    """
    audio = AudioProcessor(reading, MOMENTS)
    sources = [train] if background is None else [train, background]
    spectra = [each for source in sources for each in _spectra(source, reading, seed)]
    patches = MelPatches(spectra, derive(seed, "patches"))
    kinds: dict[str, Describe] = {
        STATISTICS: lambda batch: statistics(batch, reading.rate),
        ON_TIME: lambda batch: on_time(batch, reading.rate),
        PATCHES: lambda batch: patches(
            log_mel(batch["waveform"].flatten(1), reading.rate),
            frames_of(batch["lengths"], reading.rate),
        ),
    }
    compared = len(train) * (len(train) + (0 if test is None else len(test)))
    if protocol == "verification":
        kinds[BANDS] = lambda batch: band_statistics(batch, reading.rate)
    if protocol == "classification" and compared <= PAIRS:
        kinds[WARPED] = lambda batch: _aligned(batch, reading.rate)
    labeled = [train] if test is None else [train, test]
    total, done = sum(map(len, labeled)), 0
    seconds = dict.fromkeys(kinds, 0.0)
    tables: list[dict[str, np.ndarray]] = []
    started = time.perf_counter()
    for records in labeled:
        table: dict[str, np.ndarray] = {}
        for indices, batch in audio.batches(records, MOMENTS, _CHUNK):
            for name, describe in kinds.items():
                begun = time.perf_counter()
                part = describe(batch).numpy()
                seconds[name] += time.perf_counter() - begun
                if name not in table:
                    table[name] = np.empty((len(records), part.shape[1]), dtype=np.float32)
                table[name][indices] = part
            done += len(indices)
            if progress:
                progress(done, total)
        tables.append(table)
    reading_seconds = time.perf_counter() - started - sum(seconds.values())
    if WARPED in kinds:
        begun = time.perf_counter()
        templates = _moments(tables[0][WARPED])
        for table in tables:
            table[WARPED] = warped(_moments(table[WARPED]), templates).numpy()
        seconds[WARPED] += time.perf_counter() - begun
    heads = {STATISTICS: CURVED, ON_TIME: (*CURVED, "auto"), WARPED: ("nearest template",)}
    return [
        Baseline(
            name,
            tables[0][name],
            tables[1][name] if test is not None else None,
            heads.get(name, LINEAR),
            joinable=name == ON_TIME,
            seconds=reading_seconds + seconds[name],
        )
        for name in kinds
    ]


def _spectra(records: Dataset, reading: Reading, seed: int) -> Iterator[Tensor]:
    """Yield the spectrograms (M,T) of random recordings that can be decoded."""
    drawn = numbers(seed, "recordings").permutation(len(records))[:CUT]
    for value in records.select(drawn)["audio"]:
        samples = CLIPS.get(value, *reading.how)
        if not isinstance(samples, str):
            yield log_mel(torch.from_numpy(samples)[None], reading.rate)[0]


def _aligned(batch: Batch, rate: int) -> Tensor:
    """Return cepstra at equal moments (B,12 x T), without the first one, which is the loudness."""
    found, frames = mfcc(batch, rate)
    return on_grid(found[:, 1:], frames, MOMENTS).flatten(1)


def _moments(rows: np.ndarray) -> Tensor:
    """Return features (N,C x T) as (N,C,T)."""
    return torch.from_numpy(rows).unflatten(1, (-1, MOMENTS))
