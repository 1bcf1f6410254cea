"""Series of sensor readings: how they are read, fitted and stored. Imports no torch."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.errors import HeadstartError
from headstart.files import whole_folder
from headstart.modalities import Baseline, Defaults, Modality, Request
from headstart_sensors.baselines import spectrum, statistics
from headstart_sensors.content import SERIES, parse
from headstart_sensors.corruptions import CORRUPTIONS
from headstart_sensors.readings import STORED, even

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.config import PretrainConfig
    from headstart.data.audit import Audit
    from headstart.modalities import Preview
    from headstart_sensors.processor import SeriesProcessor


class SeriesModality(Modality):
    """Series of sensor readings of one length."""

    name = "series"
    content = SERIES
    gives = "series"
    provides = frozenset({"series", "two_views", "units"})
    unit = "readings"
    protocols = ("classification", "regression", "fewshot", "retrieval", "clustering")
    corruptions = CORRUPTIONS

    def inline(self, values: list[str]) -> Dataset:
        """Return series that were typed as ``"0.1 0.4 0.3 ..."``."""
        from datasets import Dataset

        found = []
        for value in values:
            readings, reason = parse(value)
            if readings is None:
                raise HeadstartError(f"{value!r} is neither a file nor a series: {reason}.")
            found.append(readings)
        return Dataset.from_dict({"id": [str(n + 1) for n in range(len(found))], "series": found})

    # -- from records to batches --

    def defaults(self, request: Request) -> Defaults:
        """Take the length that most series have, and rebuild what is masked in them."""
        objectives, encoder = request.choose("masked_readings", "series_conv")
        lengths = Counter(len(readings) for readings in request.records["series"])
        length = request.length or lengths.most_common(1)[0][0]
        return Defaults(objectives, encoder, length)

    def fit(
        self,
        records: Dataset,
        config: PretrainConfig,
        defaults: None,
        length: int,
        *,
        patient: bool = False,
    ) -> SeriesProcessor:
        """Fit the mean and the deviation of all readings, by which batches are scaled."""
        from headstart_sensors.processor import SeriesProcessor

        readings = even(records["series"], length)
        return SeriesProcessor(length, float(readings.mean()), float(readings.std()) or 1.0)

    def load(self, folder: str | Path) -> SeriesProcessor:
        from headstart_sensors.processor import SAVED, SeriesProcessor

        return SeriesProcessor(**json.loads((Path(folder) / SAVED).read_text(encoding="utf-8")))

    def prepare(
        self,
        records: Dataset,
        processor: SeriesProcessor,
        folder: Path,
        audit: Audit,
        *,
        learn: bool,
    ) -> None:
        """Store the readings (N,T) as one array, which rows are read from."""
        with whole_folder(folder) as unfinished:
            np.save(unfinished / STORED, processor.scaled(records))

    # -- what it is compared with, and what it looks like --

    def baselines(
        self,
        background: Dataset | None,
        train: Dataset,
        test: Dataset | None,
        *,
        protocol: str = "classification",
        seed: int,
        progress: Progress | None,
    ) -> list[Baseline]:
        """Return what anyone would try first: statistics of the readings, and their spectrum."""
        return [
            Baseline(name, features(train), None if test is None else features(test))
            for name, features in {"statistics": statistics, "spectrum": spectrum}.items()
        ]

    def preview(self, records: Dataset, side: int) -> list[Preview]:
        """Return each series as a small line."""
        from headstart_sensors.preview import lines

        return lines(records, side)
