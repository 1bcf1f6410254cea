"""Cepstra of recordings as features: their statistics, and their means on a grid of time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.files import write_json
from headstart.modalities import VectorProcessor
from headstart.modalities.audio.content import AUDIO
from headstart.modalities.audio.processor import AudioProcessor
from headstart.modalities.audio.reading import Reading
from headstart.modalities.spectra import cepstra, frames_of, log_mel, on_grid, real_frames, slopes
from headstart.stored import read_json

if TYPE_CHECKING:
    from datasets import Dataset

#: Its file in an encoder folder.
FILE = "mfcc.json"
#: Coefficients, as is usual for speech, and cells of time.
COEFFICIENTS, CELLS = 13, 8
#: Nothing is trained on vectors alone, whatever the length of a row would be.
SHORTEST = 32


def mfcc(batch: Batch, rate: int) -> tuple[Tensor, Tensor]:
    """Return the coefficients (B,13,T) of waveforms (B,1,S), and their frames (B,).

    The mean of the first one, the loudness of the whole recording, is removed.
    """
    mel = log_mel(batch["waveform"].flatten(1), rate)
    found, frames = cepstra(mel, COEFFICIENTS), frames_of(batch["lengths"], rate)
    loudness = on_grid(found[:, :1], frames, 1)
    return torch.cat([found[:, :1] - loudness, found[:, 1:]], 1), frames


def statistics(batch: Batch, rate: int) -> Tensor:
    """Return mean and deviation over time of the coefficients and their slopes (B,52)."""
    found, frames = mfcc(batch, rate)
    return _over_time(torch.cat([found, _slopes(found, frames)], 1), frames)


def band_statistics(batch: Batch, rate: int) -> Tensor:
    """Return mean and deviation over time of the log-mel bands, less the loudness (B,2M)."""
    mel, frames = log_mel(batch["waveform"].flatten(1), rate), frames_of(batch["lengths"], rate)
    return _over_time(mel - on_grid(mel, frames, 1).mean(1, keepdim=True), frames)


def _over_time(found: Tensor, frames: Tensor) -> Tensor:
    """Return mean and deviation over the frames (B,2C) of rows (B,C,T)."""
    mean = on_grid(found, frames, 1)
    spread = on_grid((found - mean).square(), frames, 1).sqrt()
    return torch.cat([mean, spread], 1).flatten(1)


def on_time(batch: Batch, rate: int) -> Tensor:
    """Return the mean coefficients in 8 equal parts of each recording's time (B,104)."""
    return on_grid(*mfcc(batch, rate), CELLS).flatten(1)


def _slopes(found: Tensor, frames: Tensor) -> Tensor:
    """Return the slopes (B,C,T) of each row as if it were alone: its last frame is repeated."""
    at = torch.arange(found.shape[2], device=found.device)
    at = torch.minimum(at, frames[:, None] - 1)[:, None].expand_as(found)
    return slopes(found.gather(2, at)) * real_frames(frames, found.shape[2])[:, None]


class MfccProcessor(VectorProcessor):
    """The features of :func:`on_time`; nothing is fitted.

    Args:
        reading: how recordings are read.
    """

    content = AUDIO
    name = "MFCC on time cells"
    width = COEFFICIENTS * CELLS

    def __init__(self, reading: Reading) -> None:
        self.audio = AudioProcessor(reading, SHORTEST)
        self.reading = reading

    def collate(self, records: Dataset, length: int) -> Batch:
        """Return ``vectors`` (B,104) of recordings; ``length`` is ignored."""
        return {"vectors": on_time(self.audio.collate(records, length), self.audio.rate)}

    def save(self, folder: Path) -> None:
        """Write how recordings are read."""
        self.audio.save(folder)
        write_json(folder / FILE, {"coefficients": COEFFICIENTS, "cells": CELLS})

    @classmethod
    def load(cls, folder: Path) -> MfccProcessor:
        """Open what :meth:`save` wrote."""
        read_json(folder / FILE, coefficients=int)
        return cls(AudioProcessor.load(folder).reading)
