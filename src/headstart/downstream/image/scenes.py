"""Whole pictures as rows: never cut to squares, seen through random windows while training.

A picture is brought to a common longer side, and the pictures of a batch are padded at the bottom
and on the right. What is drawn on them goes the same way: boxes as numbers, masks as pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.errors import HeadstartError
from headstart.modalities.image.decode import BadImage, decode
from headstart.seeding import uniform

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch

#: Sides of a batch are multiples of this, so that each map of a network covers whole cells.
MULTIPLE = 32
#: What surrounds smaller pictures of a batch: a middle grey.
PADDING = 114
#: A picture is magnified by up to this factor, or reduced by it, at random.
ZOOM = 1.4
#: A box that a window cuts stays if at least this share of it is left.
LEFT = 0.3
#: Most bytes of decoded pictures that are remembered.
REMEMBERED = 2**30


@dataclass(frozen=True)
class View:
    """How a picture is shown: scaled, then a window of it, then perhaps mirrored.

    Attributes:
        native: (height, width) of the picture as it is.
        scaled: the same after scaling.
        corner: top and left of the window in the scaled picture.
        window: its height and width.
        mirrored: left and right change places.
    """

    native: tuple[int, int]
    scaled: tuple[int, int]
    corner: tuple[int, int]
    window: tuple[int, int]
    mirrored: bool = False

    @classmethod
    def plain(cls, native: tuple[int, int], side: int) -> View:
        """Show all of a picture, its longer side brought to ``side``."""
        scaled = _scaled(native, side / max(native))
        return cls(native, scaled, (0, 0), scaled)

    @classmethod
    def drawn(cls, native: tuple[int, int], side: int, draws: Sequence[float]) -> View:
        """Zoom, place the window and mirror by four numbers in [0, 1).

        The window is never larger than the picture of :meth:`plain`.
        """
        room = _scaled(native, side / max(native))
        scaled = _scaled(native, side / max(native) * ZOOM ** (2 * draws[0] - 1))
        window = (min(room[0], scaled[0]), min(room[1], scaled[1]))
        top, left = (
            int(draw * (whole - part + 1))
            for draw, whole, part in zip(draws[1:3], scaled, window, strict=True)
        )
        return cls(native, scaled, (top, left), window, draws[3] < 0.5)

    def picture(self, picture: Tensor) -> Tensor:
        """Return what is seen (3,h,w) of a picture (3,H,W) uint8 of any scale."""
        if picture.shape[1:] != self.scaled:
            picture = F.interpolate(picture[None], self.scaled, mode="bilinear", antialias=True)[0]
        return self._cut(picture)

    def mask(self, ids: Tensor) -> Tensor:
        """Return what is seen (h,w) of a mask (H,W) uint8; ids are never mixed."""
        if ids.shape != self.scaled:
            ids = F.interpolate(ids[None, None], self.scaled, mode="nearest-exact")[0, 0]
        return self._cut(ids)

    def boxes(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes (n,4) of the native picture as they are seen (n,4), and which are (n,).

        A box is seen if at least :data:`LEFT` of its area lies in the window.
        """
        seen = boxes * self._ratio() - boxes.new_tensor([*self.corner[::-1], *self.corner[::-1]])
        whole = _area(seen)
        height, width = self.window
        seen = seen.clamp(min=0).minimum(seen.new_tensor([width, height, width, height]))
        kept = (_area(seen) >= LEFT * whole) & (_area(seen) > 0)
        return self._mirror(seen), kept

    def native_boxes(self, boxes: Tensor) -> Tensor:
        """Return boxes (n,4) that were found in what is seen in pixels of the native picture."""
        found = self._mirror(boxes) + boxes.new_tensor([*self.corner[::-1], *self.corner[::-1]])
        height, width = self.native
        most = boxes.new_tensor([width, height, width, height])
        return (found / self._ratio()).clamp(min=0).minimum(most)

    def _ratio(self) -> Tensor:
        down, across = (s / n for s, n in zip(self.scaled, self.native, strict=True))
        return torch.tensor([across, down, across, down])

    def _mirror(self, boxes: Tensor) -> Tensor:
        if not self.mirrored:
            return boxes
        width, (left, top, right, bottom) = self.window[1], boxes.unbind(1)
        return torch.stack([width - right, top, width - left, bottom], 1)

    def _cut(self, picture: Tensor) -> Tensor:
        (top, left), (height, width) = self.corner, self.window
        part = picture[..., top : top + height, left : left + width]
        return part.flip(-1) if self.mirrored else part


#: ``marks(indices, views, (H, W))`` returns what is drawn on the pictures at these indices of the
#: records, as they are seen, padded for a batch of pictures (H,W).
Marks = Callable[[Sequence[int], Sequence[View], tuple[int, int]], "Batch"]


class Scenes:
    """Records of pictures as rows, with what is drawn on them.

    A batch has ``pixels`` (B,3,H,W) uint8, padded; ``window`` (B,2), the height and width of each
    picture in there, and ``native`` (B,2), those of the picture itself; and what ``marks`` adds.

    Args:
        records: with the columns ``id`` and ``image``.
        side: pixels of a picture's longer side.
        marks: gives the targets; without it the records have none.
        seed: while training: zoom, window and mirror are functions of it, the epoch and the
            place. Without it all of every picture is shown.
    """

    def __init__(
        self, records: Dataset, side: int, marks: Marks | None = None, seed: int | None = None
    ) -> None:
        self._records, self._side, self._marks, self._seed = records, side, marks, seed
        self._known: dict[int, tuple[Tensor, tuple[int, int]]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the pictures at ``indices`` (n,) as one batch; a pure function.

        Raises:
            HeadstartError: a picture cannot be decoded.
        """
        found = [self._image(int(index)) for index in indices]
        views = self.views(indices, epoch, [native for _, native in found])
        seen = [view.picture(picture) for view, (picture, _) in zip(views, found, strict=True)]
        height, width = (
            -(-max(part.shape[side] for part in seen) // MULTIPLE) * MULTIPLE for side in (1, 2)
        )
        pixels = torch.full((len(seen), 3, height, width), PADDING, dtype=torch.uint8)
        for row, part in zip(pixels, seen, strict=True):
            row[:, : part.shape[1], : part.shape[2]] = part
        batch = {
            "pixels": pixels,
            "window": torch.tensor([view.window for view in views]),
            "native": torch.tensor([view.native for view in views]),
        }
        if self._marks is not None:
            batch |= self._marks([int(index) for index in indices], views, (height, width))
        return batch

    def views(self, indices: np.ndarray, epoch: int, natives: list[tuple[int, int]]) -> list[View]:
        """Return how the pictures at ``indices`` of these sizes are shown in an epoch."""
        if self._seed is None:
            return [View.plain(native, self._side) for native in natives]
        draws = [
            uniform(indices, self._seed, name, epoch) for name in ("zoom", "top", "left", "mirror")
        ]
        return [
            View.drawn(native, self._side, row)
            for native, row in zip(natives, np.stack(draws, 1).tolist(), strict=True)
        ]

    def _image(self, index: int) -> tuple[Tensor, tuple[int, int]]:
        """Return a picture at the common side (3,h,w), and its own height and width."""
        known = self._known.get(index)
        if known is not None:
            return known
        record = self._records[index]
        try:
            array = decode(record["image"])
        except BadImage as reason:
            raise HeadstartError(
                f"the picture {record['id']} cannot be decoded: {reason}; leave it out."
            ) from None
        native = (array.shape[0], array.shape[1])
        picture = torch.from_numpy(array.transpose(2, 0, 1).copy())
        found = View.plain(native, self._side).picture(picture).contiguous(), native
        if self._bytes + found[0].nbytes <= REMEMBERED:
            self._known[index] = found
            self._bytes += found[0].nbytes
        return found


def views_of(batch: Batch) -> list[View]:
    """Return how the pictures of a batch are shown, where all of every picture is."""
    sizes = zip(batch["native"].tolist(), batch["window"].tolist(), strict=True)
    return [View(tuple(n), tuple(w), (0, 0), tuple(w)) for n, w in sizes]


def at_random(records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Return records to learn from and a random ``share`` of them held out, at least one each.

    Raises:
        HeadstartError: there is a single record.
    """
    count = len(records)
    if count < 2:
        raise HeadstartError(
            "a single picture cannot be learned from and held out as well; add pictures, or name "
            "validation records with --val."
        )
    held = min(max(1, round(share * count)), count - 1)
    order = np.argsort(uniform(np.arange(count), seed, "hold out"))
    return records.select(np.sort(order[held:])), records.select(np.sort(order[:held]))


def side_for(records: Dataset, most: int) -> int:
    """Return the longer side that suits the pictures: the median of theirs, up to ``most``."""
    from headstart.modalities.image.decode import size

    step = max(1, len(records) // 200)
    sides = []
    for index in range(0, len(records), step):
        try:
            sides.append(max(size(records[index]["image"])))
        except BadImage:
            continue
    median = float(np.median(sides)) if sides else most
    return int(min(most, max(MULTIPLE, -(-median // MULTIPLE) * MULTIPLE)))


def _scaled(native: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(1, round(native[0] * factor)), max(1, round(native[1] * factor))


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]).clamp(min=0) * (boxes[:, 3] - boxes[:, 1]).clamp(min=0)
