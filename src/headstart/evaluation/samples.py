"""What the report shows of the tested records themselves, within so many bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Modality, Preview

#: Sides of thumbnails in pixels that are tried, largest first, until they fit.
SIDES = (48, 40, 32, 24, 16)


@dataclass(frozen=True)
class Samples:
    """The tested records and where the pre-trained encoder puts them.

    Attributes:
        records: the N tested records, with an ``id`` and their content; of pairs all firsts and
            then all seconds.
        vectors: (N,D) of the pre-trained encoder, in the same order.
        modality: of the records; it says what is shown of one.
        seed: decides which records are shown.
        kinds: the labels are names of kinds; quantities, and what is of pairs, are not shown.
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
        """What people called the records, (N,), or an empty list."""
        if not self.kinds or "label" not in self.records.column_names:
            return []
        return [_label(value) for value in self.records["label"]]

    def sample(self, most: int) -> np.ndarray:
        """Return indices (n,) of at most ``most`` records, rising; the seed decides which."""
        if len(self) <= most:
            return np.arange(len(self))
        rng = np.random.Generator(np.random.PCG64(self.seed))
        return np.sort(rng.choice(len(self), most, replace=False))

    def show(
        self, indices: Sequence[int] | np.ndarray, *, room: int, side: int = 0
    ) -> list[Preview]:
        """Return the records at ``indices``; their images together take at most ``room`` bytes.

        Args:
            side: of thumbnails in pixels; smaller where they would not fit, and none at all where
                even the smallest would not.
        """
        rows = self.records.select(np.asarray(indices, dtype=np.int64))
        labels = [self.labels[index] for index in indices] if self.labels else [""] * len(rows)
        for smaller in (side or SIDES[0], *SIDES):
            shown = self.modality.preview(rows, smaller)
            if sum(len(preview.image) for preview in shown) <= room:
                break
        else:
            shown = [replace(preview, image=b"") for preview in shown]
        return [replace(preview, label=label) for preview, label in zip(shown, labels, strict=True)]


def _label(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
