"""A static encoder as one table: what is left of it once weights and centre are folded in."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch

#: Most of an int8 number.
_MOST = 127


class FlatTable(nn.Module):
    """The mean of the rows of a table; 0 for a record without tokens.

    Args:
        rows: (V,D) float32, or int8 with ``scales``.
        normalize: scale the means to length 1.
        scales: (V,) that each row of int8 is multiplied by.
    """

    def __init__(self, rows: Tensor, *, normalize: bool, scales: Tensor | None = None) -> None:
        super().__init__()
        self.normalize = normalize
        self.rows: Tensor
        self.scales: Tensor | None
        self.register_buffer("rows", rows)
        self.register_buffer("scales", scales)

    def forward(self, batch: Batch) -> Tensor:
        """Return the means (B,D) of the real positions."""
        ids, mask = batch["input_ids"], batch["mask"]
        vectors = self.rows[ids].float()  # (B,T,D)
        weights = mask.float()
        if self.scales is not None:
            weights = weights * self.scales[ids]
        total = (vectors * weights[:, :, None]).sum(1)
        found = total / mask.sum(1, keepdim=True).clamp(min=1).float()
        return F.normalize(found, dim=1) if self.normalize else found

    def rounded(self) -> FlatTable:
        """Return the table in int8, each row with a scale of its own: a quarter of the size."""
        rows = self.rows.float()
        scales = rows.abs().amax(1).clamp(min=1e-12) / _MOST
        small = (rows / scales[:, None]).round().to(torch.int8)
        return FlatTable(small, normalize=self.normalize, scales=scales)
