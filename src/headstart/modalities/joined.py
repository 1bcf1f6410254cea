"""Processors side by side: what several encoders of the same records read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError
from headstart.modalities import Processor

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from torch import Tensor

    from headstart.batch import Batch, Rows
    from headstart.modalities import Evidence, Units
    from headstart.modalities.portable import Portable


@dataclass(frozen=True)
class Reader:
    """A processor, and the length at which its encoder reads records."""

    processor: Processor
    length: int


class JoinedProcessor(Processor):
    """Several processors of the same kind of data.

    A batch has the tensors of the first under their own names, and of each other one as
    ``NAME/...``, so that what works on the first encoder's batches works on these.

    Args:
        parts: by name. The first one reads records at the length that it is asked for, each other
            one at its own.
    """

    def __init__(self, parts: Mapping[str, Reader]) -> None:
        self.parts = dict(parts)
        self._first = next(iter(self.parts.values())).processor
        self.content, self.gives = self._first.content, self._first.gives
        self.vocabulary = self._first.vocabulary
        # Views and targets are made of one part's batch alone.
        self.provides = self._first.provides & {"units", "heat_maps"}

    @property
    def first(self) -> Processor:
        """The processor of the first part."""
        return self._first

    def agrees_with(self, other: Processor) -> bool:
        """Return whether the first part does."""
        return self._first.agrees_with(other)

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Rows:
        """Raise an error: the parts are not trained together."""
        first = next(iter(self.parts))
        raise HeadstartError(
            f"encoders that were joined are not pre-trained together; name the part {first!r} of "
            "the encoder's folder."
        )

    def collate(self, records: Dataset, length: int) -> Batch:
        """Turn records into the batches of all parts."""
        return {**self._first.collate(records, length), **self.beside(records)}

    def batches(
        self, records: Dataset, length: int, size: int
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield all records once; the first part says which share a batch."""
        for indices, batch in self._first.batches(records, length, size):
            yield indices, {**batch, **self.beside(records.select(indices))}

    def beside(self, records: Dataset) -> Batch:
        """Turn records into the tensors of all parts but the first."""
        found: Batch = {}
        for name, part in list(self.parts.items())[1:]:
            batch = part.processor.collate(records, part.length)
            found |= {f"{name}/{key}": tensor for key, tensor in batch.items()}
        return found

    def units(self, record: Mapping[str, Any], length: int) -> Units:
        """Return the units that the first part knows, removed for all parts."""
        return JoinedUnits(self._first.units(record, length), record["id"], self)

    def portable(self, folder: Path, length: int) -> Portable:
        """Write what the reading of each part needs into a folder of its own."""
        from headstart.modalities.portable import side_by_side

        found = {}
        for name, part in self.parts.items():
            (folder / name).mkdir()
            is_first = part.processor is self._first
            found[name] = part.processor.portable(
                folder / name, length if is_first else part.length
            )
        return side_by_side(found)

    def save(self, folder: Path) -> None:
        """Write the files of each part into its own folder."""
        for name, part in self.parts.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            part.processor.save(folder / name)


class JoinedUnits:
    """The units of the first part, which are removed from what every part reads.

    Args:
        units: of the first part.
        name: id of the record.
        processor: makes the tensors of the others.
    """

    def __init__(self, units: Units, name: str, processor: JoinedProcessor) -> None:
        self._units, self._name, self._processor = units, name, processor
        self.noun, self.count, self.notes = units.noun, units.count, units.notes
        self.tensor = units.tensor
        whole = self._beside([set()])
        self.batch, self.blank = {**units.batch, **whole}, {**units.blank, **whole}

    def without(self, dropped: Sequence[set[int]]) -> Batch:
        """Return a row for each set of units: the record without them, for every part."""
        return {**self._units.without(dropped), **self._beside(dropped)}

    def contents(self, dropped: Sequence[set[int]]) -> list[Any]:
        """Return the content of the record without each set of units."""
        return self._units.contents(dropped)

    def positions(self, weights: Tensor) -> Tensor:
        """Return weights of units as weights of the first part's positions."""
        return self._units.positions(weights)

    def evidence(self, weights: Tensor, label: str, *, signed: bool) -> Evidence:
        """Sum the weights of the first part's positions into weights of units."""
        return self._units.evidence(weights, label, signed=signed)

    def _beside(self, dropped: Sequence[set[int]]) -> Batch:
        from datasets import Dataset

        contents = self._units.contents(dropped)
        column = self._processor.content.name
        records = Dataset.from_dict({"id": [self._name] * len(contents), column: contents})
        return self._processor.beside(records)
