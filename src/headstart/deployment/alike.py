"""The labeled records of a fine-tuned run that are most similar to an explained one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.config import FinetuneConfig
from headstart.data.audit import Audit
from headstart.data.store import saved
from headstart.data.survey import spread
from headstart.deployment import search
from headstart.downstream import TASKS
from headstart.errors import HeadstartError
from headstart.outputs import store_of
from headstart.stored import opening

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities import Preview
    from headstart.run import RunFolder

#: Labeled records that are compared; larger sets are subsampled evenly.
MOST = 5000
#: Side of the previews in pixels.
_SIDE = 96


@dataclass(frozen=True)
class Alike:
    """A labeled record.

    Attributes:
        similarity: the cosine between its vector and that of the explained record, both centred
            on the mean of the labeled records.
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
    """The vectors of a run's labeled records, cached in the run folder.

    Vectors are centred: those of a transformer all point in much the same direction (Ethayarajh
    2019, https://arxiv.org/abs/1909.00512), so that without it all cosines are near 1.

    Args:
        run: a fine-tuned run, whose labeled source must still exist.
        opened: its encoder.

    Raises:
        HeadstartError: the source cannot be read.
    """

    def __init__(self, run: RunFolder, opened: OpenedEncoder) -> None:
        with opening(run.config_file):
            config = FinetuneConfig(**{**run.config()["options"], "resume": False})
        if not config.train:
            raise HeadstartError(
                f"{run.folder} was made of class names alone, so that no labeled record is shown."
            )
        note = f"{config.task}, {MOST} at most"
        index = search.index_folder(opened, store_of(run.folder), [config.train], config, note)
        if not search.is_current(index, opened):
            search.build(opened, _labeled(run, config, opened), index)
        found = search.Index.open(index / search.VECTORS)
        self._mean = found.vectors.mean(0)
        self._index = search.Index(found.ids, found.vectors - self._mean)
        self.records: Dataset = saved(index / search.RECORDS)
        self._modality = opened.modality

    def nearest(self, vector: np.ndarray, count: int) -> list[Alike]:
        """Return the ``count`` records nearest to a vector (D,), the nearest first."""
        indices, cosines = self._index.nearest(vector[None] - self._mean, count)
        rows = self.records.select(indices[0])
        previews = self._modality.preview(rows, _SIDE)
        return [
            Alike(str(row["id"]), str(row["label"]), float(cosine), preview)
            for row, cosine, preview in zip(rows, cosines[0], previews, strict=True)
        ]


def _labeled(run: RunFolder, config: FinetuneConfig, opened: OpenedEncoder) -> Dataset:
    """Read at most :data:`MOST` of the run's labeled records."""
    audit = Audit()
    try:
        records = TASKS[config.task].read(config.train, config, opened.modality, audit)
    except HeadstartError as error:
        raise HeadstartError(
            f"the labeled records of {run.folder} cannot be read again ({error}); put them back, "
            "or ask for none with --alike 0."
        ) from None
    if len(records) > MOST:
        records = records.select(spread(len(records), MOST))
    return opened.modality.usable(records, opened.processor, audit)
