"""Images of a corrupted batch, for display."""

from __future__ import annotations

from torch import Tensor

from headstart.batch import Batch

#: Most rows of images.
ROWS = 8


def images_in(batch: Batch) -> dict[str, Tensor]:
    """Return the rows of images (n,3,h,w) in a corrupted batch, by name.

    A tensor with k images per record, (k n,3,h,w) with all records one after the other or
    (n,k,3,h,w), gives k rows.
    """
    images: dict[str, Tensor] = {}
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
            images[f"{name} {index + 1}" if len(parts) > 1 else name] = part
    return dict(list(images.items())[:ROWS])
