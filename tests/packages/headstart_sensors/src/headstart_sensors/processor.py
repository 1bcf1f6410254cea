"""Series as batches: what encoders, objectives and loaders ask of this kind of data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.errors import HeadstartError, did_you_mean
from headstart.files import write_json
from headstart.modalities import Processor, Sheet
from headstart.modalities.cells import Cells
from headstart_sensors.content import SERIES
from headstart_sensors.preview import drawn
from headstart_sensors.readings import STORED, even
from headstart_sensors.views import VIEWS

if TYPE_CHECKING:
    from datasets import Dataset

SAVED = "series.json"
#: Parts of a series that an explanation weighs, and pixels a side of a series that is shown.
SEGMENTS, SIDE = 8, 96


class SeriesRows:
    """Stored series (N,T), each a row in every epoch."""

    def __init__(self, folder: Path) -> None:
        self._stored = np.load(folder / STORED, mmap_mode="r")

    def __len__(self) -> int:
        return len(self._stored)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        return _batch(self._stored[indices])


class SeriesProcessor(Processor):
    """The length of the series, T, and by what their readings are scaled."""

    content = SERIES
    gives = "series"
    provides = frozenset({"series", "two_views", "units"})

    def __init__(self, length: int, mean: float, std: float) -> None:
        self.length, self.mean, self.std = length, mean, std

    def scaled(self, records: Dataset) -> np.ndarray:
        """Return the readings (N,T) float32, with mean 0 and deviation 1 over all records."""
        return (even(records["series"], self.length) - self.mean) / self.std

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> SeriesRows:
        return SeriesRows(folder)

    def collate(self, records: Dataset, length: int) -> Batch:
        """Return ``series`` (B,1,T)."""
        return _batch(self.scaled(records))

    def views(
        self,
        batch: Batch,
        generator: torch.Generator,
        kind: str,
        *,
        local: int = 0,
        side: int | None = None,
    ) -> tuple[Batch, ...]:
        """Return two views of each series, of a kind in :data:`headstart_sensors.views.VIEWS`."""
        if kind not in VIEWS:
            raise HeadstartError(f"series have no views {kind!r}{did_you_mean(kind, VIEWS)}")
        series = batch["series"]
        return tuple({"series": VIEWS[kind](series, generator)} for _ in range(2))

    def show(self, batch: Batch, corrupted: Batch, views: Mapping[str, Tensor]) -> Sheet:
        """Return the series as lines, and below them what the objective made of each."""
        shown = {name: series for name, series in corrupted.items() if name.endswith("series")}
        rows = {"original": batch["series"], **shown}
        return Sheet({name: _lines(series) for name, series in rows.items()})

    def units(self, record: Mapping[str, Any], length: int) -> Cells:
        """Return the segments of a series; one that is deleted is flat."""
        from datasets import Dataset

        batch = self.collate(Dataset.from_list([dict(record)]), length)
        return Cells(batch, "series", noun="segments", cells=SEGMENTS)

    def save(self, folder: Path) -> None:
        """Write ``series.json``."""
        write_json(folder / SAVED, {"length": self.length, "mean": self.mean, "std": self.std})


def _batch(readings: np.ndarray) -> Batch:
    return {"series": torch.from_numpy(np.array(readings, dtype=np.float32))[:, None]}


def _lines(series: Tensor) -> Tensor:
    """Return series (B,1,T) as images (B,3,S,S) of bytes."""
    images = [np.asarray(drawn(row, SIDE)) for row in series[:, 0].numpy()]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
