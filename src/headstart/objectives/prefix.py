"""Prefix language modeling: continue a prefix that is read bidirectionally.

Position i attends to j of the same text if j is in the prefix or not to the right of i. Dong et al.
2019, https://arxiv.org/abs/1905.03197; Raffel et al. 2020, https://arxiv.org/abs/1910.10683.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from headstart.batch import IGNORE, Batch
from headstart.config import Options
from headstart.encoders import TokenEncoder
from headstart.encoders.visibility import prefixed, visibility
from headstart.modalities import TokenProcessor
from headstart.objectives import Objective
from headstart.objectives.heads import CONTINUATION, TokenHead, loss_at_targets


class PrefixOptions(Options):
    """T5's form of prefix LM (Raffel et al. 2020, section 3.2.2)."""

    tie: bool = Field(True, description="Use the input table as output layer.")


class PrefixModeling(Objective):
    """Predict every token of the completion from the prefix and the tokens before it.

    A text is split at a uniformly random position, redrawn each time it is read.
    """

    family = "prediction of what follows"
    needs = frozenset({"vocabulary", "token_embedding", "visibility", "order", "bidirectional"})
    layout = "packed"
    Options = PrefixOptions
    encoder: TokenEncoder

    def __init__(
        self, encoder: TokenEncoder, processor: TokenProcessor, options: PrefixOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = TokenHead(
            encoder.token_embedding, encoder.width, transform=False, tie=options.tie
        )

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with ``prefix`` (B,T) bool, and ``targets`` (B,T): the next token."""
        ids, mask = batch["input_ids"], batch["mask"]
        prefix = _prefixes(batch, generator)
        follows = mask[:, 1:] & ~prefix[:, 1:]
        if "segments" in batch:
            follows &= batch["segments"][:, 1:] == batch["segments"][:, :-1]
        targets = torch.full_like(ids, IGNORE)
        targets[:, :-1] = torch.where(follows, ids[:, 1:], IGNORE)
        return {**batch, "prefix": prefix, "targets": targets}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        seen = prefixed(visibility(batch), batch["prefix"])
        tokens = self.encoder.contextualize(self.encoder.embed(batch), seen, batch.get("positions"))
        return loss_at_targets(self.head, tokens, batch["targets"])

    def save_head(self, folder: Path) -> bool:
        """Write the output layer, which ``generate`` needs."""
        self.head.save(folder, "prefix", CONTINUATION)
        return True


def _prefixes(batch: Batch, generator: torch.Generator) -> Tensor:
    """Return (B,T) bool: a uniformly random number of first tokens of each document, at least 1."""
    mask = batch["mask"]
    document = batch["segments"] if "segments" in batch else mask.long()
    count = int(document.max()) + 1
    size = torch.zeros(len(mask), count, dtype=torch.long, device=mask.device)
    size.scatter_add_(1, document, mask.long())
    draw = torch.rand(size.shape, generator=generator, device=mask.device)
    prefix = (draw * size).long().clamp(min=1).gather(1, document)
    # The number of real tokens of its document before each position.
    same = document[:, :, None] == document[:, None, :]
    before = (same & mask[:, None, :]).tril(-1).sum(2)
    return mask & (before < prefix)
