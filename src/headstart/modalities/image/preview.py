"""What images are shown as, and what the pretext task does to them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image
from torch import Tensor

from headstart.batch import Batch
from headstart.modalities.image.squares import SQUARES
from headstart.modalities.preview import Preview

if TYPE_CHECKING:
    from datasets import Dataset

#: Rows of images at most.
ROWS = 8
_QUALITY = 60


def thumbnails(records: Dataset, side: int) -> list[Preview]:
    """Return the square (side,side) of each picture and its name; without it where it is bad."""
    if not side:
        return [Preview(str(name)) for name in records["id"]]
    found = []
    for record in records:
        pixels, held = SQUARES.get(record["image"], side), io.BytesIO()
        if not isinstance(pixels, str):
            image = Image.fromarray(pixels.transpose(1, 2, 0))
            image.save(held, format="WEBP", quality=_QUALITY)
        found.append(Preview(str(record["id"]), held.getvalue()))
    return found


def images_in(batch: Batch) -> dict[str, Tensor]:
    """Return by name the rows of pictures (n,3,h,w) that a corrupted batch holds.

    A tensor of several pictures a record, (n k,3,h,w) with the copies of all records one after the
    other or (n,k,3,h,w), gives k rows.
    """
    shown: dict[str, Tensor] = {}
    count = min((len(t) for t in batch.values() if t.ndim >= 4), default=0)
    for key, tensor in batch.items():
        if tensor.ndim == 5 and tensor.shape[2] == 3:
            parts = tensor.unbind(1)
        elif tensor.ndim == 4 and tensor.shape[1] == 3 and len(tensor) % count == 0:
            parts = tensor.split(count)
        else:
            continue
        name = key.replace("/pixels", "").replace("/", " ")
        for index, part in enumerate(parts):
            shown[f"{name} {index + 1}" if len(parts) > 1 else name] = part
    return dict(list(shown.items())[:ROWS])
