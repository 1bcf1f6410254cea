"""Vectors for the time since the position before, added to those of the tokens."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from headstart.batch import GAPS, Batch
from headstart.errors import HeadstartError
from headstart.modalities import Processor

FILE = "gaps.safetensors"


class GapEmbedding(nn.Module):
    """A vector for each class of the time before a position; all are zero at first.

    Args:
        width: size of the vectors.

    Example::

        vectors = vectors + GapEmbedding(64)(batch)  # (B,T,64)
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(GAPS, width)
        nn.init.zeros_(self.table.weight)

    def forward(self, batch: Batch) -> Tensor:
        """Return (B,T,D); a batch without ``gaps`` is one in which no time is known."""
        gaps = batch.get("gaps")
        if gaps is None:
            gaps = batch["input_ids"].new_zeros(1, 1)
        return self.table(gaps)

    def save(self, folder: Path) -> None:
        """Write the table."""
        save_file({"table": self.table.weight.detach()}, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> GapEmbedding | None:
        """Read what :meth:`save` wrote; None if a folder has none."""
        if not (folder / FILE).is_file():
            return None
        table = load_file(folder / FILE)["table"]
        found = cls(table.shape[1])
        found.table.weight.data.copy_(table)
        return found


def gap_embedding(wanted: bool, width: int, processor: Processor) -> GapEmbedding | None:
    """Return the vectors of an encoder that is created with ``encoder.gaps``.

    Raises:
        HeadstartError: the records have no times.
    """
    if wanted and "gaps" not in processor.provides:
        raise HeadstartError(
            f"encoder.gaps needs the time of each event, and these {processor.content.noun} have "
            "none; name its column with --column time=COLUMN, or leave the option out."
        )
    return GapEmbedding(width) if wanted else None
