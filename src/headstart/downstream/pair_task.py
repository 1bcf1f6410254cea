"""What tasks on pairs of records share: reading pairs, and turning them into rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from headstart.data.pairs import PAIR
from headstart.downstream import Task
from headstart.downstream.pair_rows import PairRows, collate_pairs, read_pairs

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import PredictConfig
    from headstart.data.audit import Audit
    from headstart.modalities import Modality, Processor


class PairTask(Task):
    """A head on pairs of records with one label per pair."""

    fields: ClassVar[tuple[str, ...]] = ("label", PAIR)

    def read_inputs(
        self, sources: list[str], options: PredictConfig, modality: Modality, audit: Audit
    ) -> Dataset:
        """Read pairs without labels."""
        return read_pairs(sources, options, modality, audit)

    def rows(
        self, processor: Processor, records: Dataset, length: int, seed: int | None = None
    ) -> PairRows:
        """Return the pairs with their :meth:`targets` as ``labels``; the same in every epoch."""
        return PairRows(processor, records, self.targets(records), length)

    def collate(self, processor: Processor, records: Dataset, length: int) -> Batch:
        """Return pairs as a batch."""
        return collate_pairs(processor, records, length)
