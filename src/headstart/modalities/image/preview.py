"""What the pretext task does to images."""

from __future__ import annotations

from torch import Tensor

from headstart.batch import Batch

#: Rows of images at most.
ROWS = 8


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
