"""What the report shows of the tested records themselves: a text, or a small picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.modalities import Preview
from headstart.pages.markup import cut

if TYPE_CHECKING:
    from datasets import Dataset

#: Letters of a text that are shown.
LETTERS = 160
#: Sides of thumbnails in pixels that are tried, largest first, until they fit.
SIDES = (48, 40, 32, 24, 16)
_QUALITY = 60


@dataclass(frozen=True)
class Samples:
    """The tested records and where the pre-trained encoder puts them.

    Attributes:
        records: the N tested records, with an ``id`` and their content; of pairs all firsts and
            then all seconds.
        vectors: (N,D) of the pre-trained encoder, in the same order.
        processor: of the encoder; it decodes pictures.
        seed: decides which records are shown.
        kinds: the labels are names of kinds; quantities, and what is of pairs, are not shown.
    """

    records: Dataset
    vectors: np.ndarray
    processor: Any
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

    @property
    def has_images(self) -> bool:
        """True where a record is shown as a picture."""
        return "text" not in self.records.column_names and "pixels" in getattr(
            self.processor, "provides", ()
        )

    def sample(self, most: int) -> np.ndarray:
        """Return places (n,) of at most ``most`` records, rising; the seed decides which."""
        if len(self) <= most:
            return np.arange(len(self))
        rng = np.random.Generator(np.random.PCG64(self.seed))
        return np.sort(rng.choice(len(self), most, replace=False))

    def show(
        self, indices: Sequence[int] | np.ndarray, *, room: int, side: int = 0
    ) -> list[Preview]:
        """Return the records at ``places``; their pictures together take at most ``room`` bytes.

        Args:
            side: of the thumbnails in pixels; smaller where they would not fit, and without
                pictures at all where even the smallest would not.
        """
        rows = self.records.select(np.asarray(indices, dtype=np.int64))
        names = [str(name) for name in rows["id"]]
        if "text" in rows.column_names:
            names = [_beginning(str(text)) for text in rows["text"]]
        labels = [self.labels[index] for index in indices] if self.labels else [""] * len(names)
        images = [b""] * len(names)
        if self.has_images and names:
            for smaller in (side or SIDES[0], *SIDES):
                images = self._thumbnails(rows, smaller)
                if sum(map(len, images)) <= room:
                    break
            else:
                images = [b""] * len(names)
        return [Preview(*shown) for shown in zip(names, images, labels, strict=True)]

    def _thumbnails(self, rows: Dataset, side: int) -> list[bytes]:
        from PIL import Image

        found = []
        for start in range(0, len(rows), 256):
            part = rows.select(range(start, min(start + 256, len(rows))))
            pixels = self.processor.collate(part, side)["pixels"].permute(0, 2, 3, 1).numpy()
            for image in pixels:
                held = io.BytesIO()
                Image.fromarray(image).save(held, format="WEBP", quality=_QUALITY)
                found.append(held.getvalue())
        return found


def _beginning(text: str) -> str:
    return cut(text, LETTERS) or "(empty)"


def _label(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
