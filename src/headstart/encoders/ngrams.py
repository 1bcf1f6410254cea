"""Hashed n-gram embeddings (BLT, Pagnoni et al. 2024, section 3.2.1).

With small tokens (characters, bytes) the first layers only identify the current word. Tables of
hashed n-grams provide that for the cost of a lookup. See https://arxiv.org/abs/2412.09871.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch


class NgramEmbedding(nn.Module):
    """The sum over orders of the vector of the n-gram that ends at a position.

    N-grams never extend to the right or into another document of a packed row.

    Args:
        orders: lengths of the n-grams, 2 or more.
        width: size of the vectors.
        buckets: rows of each table; n-grams that share a bucket share a vector.
        dropout: probability of dropping the vector of an n-gram, against overfitting.
    """

    def __init__(
        self, orders: tuple[int, ...], width: int, buckets: int = 16384, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.orders, self.buckets, self.dropout = orders, buckets, dropout
        self.tables = nn.ModuleList(nn.Embedding(buckets, width) for _ in orders)
        for table in self.tables.parameters():
            nn.init.normal_(table, std=0.02)

    def forward(self, batch: Batch) -> Tensor:
        """Return (B,T,D); an order contributes zero where fewer tokens precede in the document."""
        ids = batch["input_ids"]
        segments = batch.get("segments", batch["mask"].long())
        total = torch.zeros((), device=ids.device)
        for order, table in zip(self.orders, self.tables, strict=True):
            vectors = table(self._buckets(ids, order))
            begin = F.pad(segments, (order - 1, 0))[:, : ids.shape[1]]
            keep = (begin == segments)[:, :, None].to(vectors.dtype)
            if self.training and self.dropout:
                kept = torch.rand(keep.shape, device=ids.device) >= self.dropout
                keep = keep * kept / (1 - self.dropout)
            total = total + vectors * keep
        return total

    def save(self, file: Path) -> None:
        """Write one table per order."""
        tables = zip(self.orders, self.tables.parameters(), strict=True)
        save_file({str(order): table.detach() for order, table in tables}, file)

    @classmethod
    def load(cls, file: Path) -> NgramEmbedding:
        """Read what :meth:`save` wrote."""
        stored = {int(order): table for order, table in load_file(file).items()}
        orders = tuple(sorted(stored))
        buckets, width = stored[orders[0]].shape
        ngrams = cls(orders, width, buckets)
        with torch.no_grad():
            for order, table in zip(orders, ngrams.tables.parameters(), strict=True):
                table.copy_(stored[order])
        return ngrams

    def _buckets(self, ids: Tensor, order: int) -> Tensor:
        """Hash each position and its left neighbours (polynomial, then multiplicative)."""
        key = ids
        for back in range(1, order):
            key = (key * 1_000_003 + F.pad(ids, (back, 0))[:, : ids.shape[1]]) % 4_294_967_291
        return key * 1_999_999_973 % 4_294_967_291 % self.buckets
