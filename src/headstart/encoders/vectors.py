"""Vectors of a processor as an encoder: simple features that stand beside a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from headstart.batch import Batch
from headstart.encoders import Encoder, Features
from headstart.files import write_json
from headstart.stored import read_json

CONFIG = "config.json"


class VectorEncoder(Encoder):
    """Hands on the vectors (B,K) that a :class:`headstart.modalities.VectorProcessor` makes.

    Args:
        width: K.
    """

    reads = "vectors"
    provides = frozenset()

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, batch: Batch) -> Features:
        vectors = self.pool(batch)
        tokens = vectors[:, None]  # (B,1,K)
        return Features(tokens, tokens.new_ones(tokens.shape[:2]).bool(), vectors)

    def pool(self, batch: Batch) -> Tensor:
        """Return the vectors (B,K) of the batch."""
        return batch["vectors"]

    def layers(self) -> list[nn.Module]:
        """There are none: nothing is learned."""
        return []

    def untrained(self) -> VectorEncoder:
        """Return an encoder of the same vectors."""
        return VectorEncoder(self.width)

    def save(self, folder: Path) -> None:
        """Write ``config.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / CONFIG, {"network": "vectors", "width": self.width})

    @classmethod
    def load(cls, folder: str | Path, length: int | None = None) -> Any:
        """Open what :meth:`save` wrote."""
        return cls(int(read_json(Path(folder) / CONFIG, width=int)["width"]))
