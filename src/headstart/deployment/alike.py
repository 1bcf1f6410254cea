"""The labeled records of a fine-tuned run that are most like one that is explained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.config import FinetuneConfig
from headstart.data.audit import Audit
from headstart.deployment import search
from headstart.downstream import TASKS
from headstart.errors import HeadstartError
from headstart.modalities.opening import open_modality

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.encoders import Encoder
    from headstart.modalities import Preview, Processor
    from headstart.run import RunFolder

#: Labeled records that are compared; of more, so many that lie evenly.
MOST = 5000
#: Pixels a side that images are shown at.
_SIDE = 96


@dataclass(frozen=True)
class Alike:
    """A labeled record.

    Attributes:
        similarity: the cosine of its vector and that of the record that is explained, both less
            the mean of the labeled records.
        preview: what it is shown as.
    """

    id: str
    label: str
    similarity: float
    preview: Preview

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "id": self.id,
            "label": self.label,
            "similarity": self.similarity,
            "preview": self.preview.text,
        }


class LabeledIndex:
    """The vectors of a run's labeled records, kept in the run folder for the next time.

    Cosines are taken around their mean: the vectors of a transformer all point to much the same
    side (Ethayarajh 2019), so that around the origin all are alike.

    Args:
        run: a fine-tuned run; the source that it was trained on must still be there.
        encoder, processor: of the run.

    Raises:
        HeadstartError: the source is gone.
    """

    def __init__(self, run: RunFolder, encoder: Encoder, processor: Processor) -> None:
        config = FinetuneConfig(**{**run.config()["options"], "resume": False})
        index = search.place_of(run.folder, run.encoder, [config.train, f"of {MOST} at most"])
        if not index.is_dir():
            records, length = _labeled(run, config, processor), int(run.resolved["length"])
            with _quietly():
                search.build(encoder, processor, records, index, length=length)
        from datasets import load_from_disk

        found = search.Index.open(index / search.VECTORS)
        self._mean = found.vectors.mean(0)
        self._index = search.Index(found.ids, found.vectors - self._mean)
        self.records: Dataset = load_from_disk(str(index / search.RECORDS))
        self._modality = open_modality(run.resolved["modality"])

    def nearest(self, vector: np.ndarray, count: int) -> list[Alike]:
        """Return the ``count`` records nearest to a vector (D,), the nearest first."""
        indices, cosines = self._index.nearest(vector[None] - self._mean, count)
        rows = self.records.select(indices[0])
        previews = self._modality.preview(rows, _SIDE)
        return [
            Alike(str(row["id"]), str(row["label"]), float(cosine), preview)
            for row, cosine, preview in zip(rows, cosines[0], previews, strict=True)
        ]


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the bars of `datasets` away: a few thousand records are soon written."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    told = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not told:
            enable_progress_bars()


def _labeled(run: RunFolder, config: FinetuneConfig, processor: Processor) -> Dataset:
    """Read the run's labeled records, or so many of them."""
    modality, audit = open_modality(run.resolved["modality"]), Audit()
    try:
        records = TASKS[config.task].read(config.train, config, modality, audit)
    except HeadstartError as error:
        raise HeadstartError(
            f"the labeled records of {run.folder} cannot be read again ({error}); put them back, "
            "or ask for none with --alike 0."
        ) from None
    if len(records) > MOST:
        records = records.select(np.linspace(0, len(records) - 1, MOST).round().astype(int))
    return modality.readable(records, processor, audit)
