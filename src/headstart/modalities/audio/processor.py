"""Recordings as batches: padded waveforms, and random views of whole batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.batch import Batch, Rows
from headstart.files import write_json
from headstart.modalities import Processor, Sheet
from headstart.modalities.audio.clips import CLIPS
from headstart.modalities.audio.content import AUDIO
from headstart.modalities.audio.decode import BadAudio, about
from headstart.modalities.audio.reading import FILE, Reading, reading_of
from headstart.modalities.audio.sound_file import SoundFile, SoundRows, padded
from headstart.modalities.spectra import step_of
from headstart.stored import read_json

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.audio.noises import Noises
    from headstart.modalities.cells import Cells


class AudioProcessor(Processor):
    """Turns recordings into waveforms at one rate.

    Args:
        reading: how they are read.
        length: steps of a spectrogram in a row of the training, hundredths of a second.
        noises: of a folder, which views mix in; only while a run trains.
    """

    content = AUDIO
    gives = "waveform"
    provides = frozenset({"waveform", "two_views", "units"})

    def __init__(self, reading: Reading, length: int, noises: Noises | None = None) -> None:
        self.reading, self.length, self.noises = reading, length, noises

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self.reading.rate

    @property
    def piece(self) -> int:
        """Samples of a row of the training."""
        return self.length * step_of(self.rate)

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Rows:
        """Open a sound file: a row is a piece of a recording; ``layout`` is ignored."""
        return SoundRows(SoundFile(folder))

    def collate(self, records: Dataset, length: int) -> Batch:
        """Decode records into ``waveform`` (B,1,S) and ``lengths`` (B,) in samples.

        Their first :attr:`Reading.seconds` are read; ``length``, of the pieces in training, does
        not cut them, as convolutions take any length.

        Raises:
            HeadstartError: one cannot be decoded; see :meth:`AudioModality.readable`.
        """
        rows = records[:]
        return padded(
            [
                CLIPS.require(value, *self.reading.how, name=name)
                for name, value in zip(rows["id"], rows["audio"], strict=True)
            ]
        )

    def batches(
        self, records: Dataset, length: int, size: int
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield all records once, those of similar length together and the longest first."""
        seconds = np.array([self._seconds(value) for value in records["audio"]])
        order = np.argsort(-seconds, kind="stable")
        most = size * length * step_of(self.rate) / self.rate
        start = 0
        while start < len(order):
            longest = max(float(seconds[order[start]]), 0.01)
            indices = order[start : start + max(1, int(most / longest))]
            yield indices, self.collate(records.select(indices), length)
            start += len(indices)

    def views(
        self,
        batch: Batch,
        generator: torch.Generator,
        kind: str,
        *,
        local: int = 0,
        side: int | None = None,
    ) -> tuple[Batch, ...]:
        """Return two views of each recording: waveforms of their own lengths.

        Raises:
            HeadstartError: there is no such kind, or a view of pixels is asked for.
        """
        from headstart.modalities.audio.views import views

        return views(batch, generator, kind, self.rate, noises=self.noises, local=local, side=side)

    def weak_view(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the recordings cut a little and at another loudness."""
        return self.one_view(batch, generator, "weak")

    def one_view(self, batch: Batch, generator: torch.Generator, kind: str) -> Batch:
        """Return one view of each recording, as one of :meth:`views` is."""
        from headstart.modalities.audio.views import one_view

        return one_view(batch, generator, kind, self.rate, self.noises)

    def noisy(self, batch: Batch, generator: torch.Generator, levels: tuple[float, float]) -> Batch:
        """Return the recordings, moment for moment, with white noise or that of a folder."""
        from headstart.modalities.audio.views import Recipe, render

        noises = None if self.noises is None else self.noises.at(levels)
        recipe = Recipe(noise=(-levels[1], -levels[0]))
        return render(batch, generator, recipe, self.rate, noises)

    def weak_and_strong(
        self, batch: Batch, generator: torch.Generator, kind: str, *, alike: bool
    ) -> tuple[Batch, Batch]:
        """Return a weak view and one of ``kind``; both weak if ``alike``."""
        strong = ("weak" if alike else "speech") if kind == "auto" else kind
        return self.weak_view(batch, generator), self.one_view(batch, generator, strong)

    def show(self, batch: Batch, corrupted: Batch, views: Mapping[str, torch.Tensor]) -> Sheet:
        """Return spectrograms of the recordings, and below them of what the objective made."""
        from headstart.modalities.audio.preview import sheet

        return sheet(batch, corrupted, views, self.rate)

    def units(self, record: Mapping[str, Any], length: int) -> Cells:
        """Return the moments of a recording; one that is deleted is silent."""
        from datasets import Dataset

        from headstart.modalities.audio.moments import audio_units

        batch = self.collate(Dataset.from_list([dict(record)]), length)
        return audio_units(batch, self.rate)

    def save(self, folder: Path) -> None:
        """Write ``audio.json``."""
        write_json(folder / FILE, {**asdict(self.reading), "length": self.length})

    @classmethod
    def load(cls, folder: Path) -> AudioProcessor:
        """Open what :meth:`save` wrote."""
        kept, reading = read_json(folder / FILE, length=int), reading_of(folder)
        assert reading is not None
        return cls(reading, kept["length"])

    def _seconds(self, value: Mapping[str, Any]) -> float:
        try:
            return min(about(value).seconds, self.reading.seconds)
        except BadAudio:
            return 0.0  # the collation says why
