"""The nearest recording after its time is warped, whose transcript any recogniser must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from headstart.modalities.audio.mfcc import mfcc
from headstart.modalities.audio.processor import AudioProcessor
from headstart.modalities.audio.reading import Reading
from headstart.modalities.audio.warping import MOMENTS, warped
from headstart.modalities.spectra import on_grid

if TYPE_CHECKING:
    from datasets import Dataset

_CHUNK = 64


def nearest_recordings(known: Dataset, tested: Dataset, reading: Reading) -> list[int]:
    """Return the index of the ``known`` recording that is nearest to each of ``tested``.

    By dynamic time warping of cepstra at equal moments, without the first one, the loudness.
    """
    nearest = warped(_moments(tested, reading), _moments(known, reading)).argmin(1)
    return [int(each) for each in nearest]


def _moments(records: Dataset, reading: Reading) -> Tensor:
    """Return the cepstra (N,12,T) of recordings at T moments."""
    found: Tensor | None = None
    for indices, batch in AudioProcessor(reading, MOMENTS).batches(records, MOMENTS, _CHUNK):
        cepstra, frames = mfcc(batch, reading.rate)
        part = on_grid(cepstra[:, 1:], frames, MOMENTS)
        if found is None:
            found = torch.empty(len(records), *part.shape[1:])
        found[torch.from_numpy(indices)] = part
    assert found is not None
    return found
