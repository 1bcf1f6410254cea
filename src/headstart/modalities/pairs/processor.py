"""Pictures and captions as batches, of both or of either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from headstart.batch import Batch, Rows
from headstart.errors import HeadstartError
from headstart.files import write_json
from headstart.modalities import PixelProcessor, Sheet
from headstart.modalities.image.pixel_file import PixelFile
from headstart.modalities.pairs.captions import keys
from headstart.modalities.pairs.content import PAIRS, has_pictures
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.towers import TowerProcessor, TowerReader

if TYPE_CHECKING:
    from datasets import Dataset

#: The towers by name: folders of an encoder, and the beginnings of tensors' names in a batch.
PICTURES, CAPTIONS = "pictures", "captions"
#: How the towers are read, in an encoder folder.
FILE = "towers.json"
#: The captions of the prepared records.
STORED = "captions.arrow"


class PairsProcessor(TowerProcessor):
    """A processor of pictures, and one of their captions.

    A record with a picture is that picture: its captions say what it should be near to. Captions
    alone are texts in the same space.

    Args:
        towers: ``pictures`` and ``captions``.
    """

    content = PAIRS

    def __init__(self, towers: Mapping[str, TowerReader]) -> None:
        super().__init__(towers)
        self.pictures = cast(PixelProcessor, self.towers[PICTURES].processor)
        self.texts = cast(TextProcessor, self.towers[CAPTIONS].processor)

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Rows:
        """Open what :meth:`PairsModality.prepare` wrote: a picture a row, with one caption."""
        return PairRows(folder, self)

    def picture_batch(self, records: Dataset, length: int) -> Batch:
        """Return the pictures of records, ``pictures/...``."""
        found = self.pictures.collate(records, length)
        nothing = torch.zeros(len(records), dtype=torch.int64)
        return {"keys": nothing, **{f"{PICTURES}/{key}": value for key, value in found.items()}}

    def caption_batch(self, texts: Sequence[str]) -> Batch:
        """Return texts, ``captions/...``, and their keys."""
        found = self.texts.collate_texts(list(texts), self.towers[CAPTIONS].length)
        known = torch.from_numpy(keys(texts))
        return {"keys": known, **{f"{CAPTIONS}/{key}": value for key, value in found.items()}}

    def collate(self, records: Dataset, length: int) -> Batch:
        """Return the pictures of records, or of records without pictures the first captions.

        Raises:
            HeadstartError: some of the records have a picture and others have none; see
                :meth:`batches`.
        """
        has = has_pictures(records)
        if has.all():
            return self.picture_batch(records, length)
        if has.any():
            raise HeadstartError(
                "pictures and captions alone are not read in one batch; give one after the other."
            )
        return self.caption_batch([texts[0] for texts in records["captions"]])

    def typed(self, values: Sequence[str], length: int) -> Batch:
        """Turn typed captions into a batch."""
        return self.caption_batch(values)

    def batches(
        self, records: Dataset, length: int, size: int
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield all records once: those with a picture, then captions alone."""
        has = has_pictures(records)
        for chosen in (np.flatnonzero(has), np.flatnonzero(~has)):
            for start in range(0, len(chosen), size):
                indices = chosen[start : start + size]
                yield indices, self.collate(records.select(indices), length)

    def augmented(self, batch: Batch, generator: torch.Generator, kind: str) -> Batch:
        """Return the batch with a random view of each picture; ``none`` leaves them."""
        if kind == "none":
            return batch
        name = f"{PICTURES}/pixels"
        seen = self.pictures.augment({"pixels": batch[name]}, generator, kind)
        return {**batch, name: seen["pixels"]}

    def written(self, rows: Rows) -> Iterator[Batch]:
        """Yield all captions, some at a time; a frozen tower reads each once."""
        assert isinstance(rows, PairRows)
        for texts in rows.all_texts():
            yield self.caption_batch(texts)

    def show(
        self, batch: Batch, corrupted: Batch, views: Mapping[str, torch.Tensor]
    ) -> Sheet | None:
        """Return the pictures, what the network sees of them, and what each row must find."""
        name = f"{PICTURES}/pixels"
        return Sheet({"original": batch[name], "seen": corrupted[name]})

    def save(self, folder: Path) -> None:
        """Write each processor into the folder of its tower, and how the towers are read."""
        about = {}
        for name, tower in self.towers.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            tower.processor.save(folder / name)
            about[name] = {
                "modality": tower.modality,
                "length": tower.length,
                "start": tower.start,
                "is_published": tower.is_published,
            }
        write_json(folder / FILE, about)


class PairRows:
    """A picture a row: ``pictures/pixels``, and of its captions one each epoch, in turn.

    Args:
        folder: what :meth:`PairsModality.prepare` wrote.
        processor: reads the captions.
    """

    def __init__(self, folder: Path, processor: PairsProcessor) -> None:
        from datasets import Dataset

        self._file, self._processor = PixelFile(folder / PICTURES), processor
        self._captions = Dataset.from_file(str(folder / STORED)).with_format("arrow")

    def __len__(self) -> int:
        return len(self._file)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        pixels, found = self._file.found(indices)
        # A picture that cannot be decoded is replaced by another, whose caption it then has.
        texts = [
            texts[(epoch + int(row)) % len(texts)]
            for row, texts in zip(found, self.texts(found), strict=True)
        ]
        return {
            **self._processor.caption_batch(texts),
            f"{PICTURES}/pixels": torch.from_numpy(pixels),
        }

    def texts(self, indices: np.ndarray) -> list[list[str]]:
        """Return all captions of each record at its index."""
        found: list[list[str]] = self._captions[indices.tolist()]["captions"].to_pylist()
        return found

    def all_texts(self) -> Iterator[list[str]]:
        """Yield the captions of all records, some at a time."""
        for batch in self._captions.iter(batch_size=256):
            yield [text for texts in batch["captions"].to_pylist() for text in texts]
