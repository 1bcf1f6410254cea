"""Previews of the tested records for the report, within a limit of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Modality, Preview

#: Sides of thumbnails in pixels, tried from the largest until they fit.
SIDES = (48, 40, 32, 24, 16)


@dataclass(frozen=True)
class Samples:
    """The tested records and their vectors by the pre-trained encoder.

    Attributes:
        records: the N tested records, with ``id`` and content; of pairs all first records, then
            all second ones.
        vectors: (N,D) of the pre-trained encoder, in the same order.
        modality: of the records.
        seed: of the random selection of records.
        kinds: whether labels are names of classes; quantities are not displayed.
    """

    records: Dataset
    vectors: np.ndarray
    modality: Modality
    seed: int = 0
    kinds: bool = True

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def labels(self) -> list[str]:
        """The labels (N,) of the records as text, or an empty list."""
        if not self.kinds or "label" not in self.records.column_names:
            return []
        return [_label(value) for value in self.records["label"]]

    def sample(self, most: int) -> np.ndarray:
        """Return sorted indices (n,) of at most ``most`` random records."""
        if len(self) <= most:
            return np.arange(len(self))
        rng = np.random.Generator(np.random.PCG64(self.seed))
        return np.sort(rng.choice(len(self), most, replace=False))

    def previews(
        self, indices: Sequence[int] | np.ndarray, *, max_bytes: int, side: int = 0
    ) -> list[Preview]:
        """Return previews of the records at ``indices``, with their labels.

        Args:
            max_bytes: limit of all images and sounds together.
            side: of thumbnails in pixels; reduced until they fit, and left out if even the
                smallest do not.
        """
        rows = self.records.select(np.asarray(indices, dtype=np.int64))
        labels = [self.labels[index] for index in indices] if self.labels else [""] * len(rows)
        side = side or SIDES[0]
        for smaller in (side, *(each for each in SIDES if each < side)):
            found = self.modality.preview(rows, smaller)
            if sum(len(each.image) + len(each.sound) for each in found) <= max_bytes:
                break
        else:
            found = [replace(preview, image=b"", sound=b"") for preview in found]
        return [replace(preview, label=label) for preview, label in zip(found, labels, strict=True)]


def _label(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
