"""Causal language modeling (GPT, Radford et al. 2018, equation 1)."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor, nn

from headstart.batch import IGNORE, Batch
from headstart.encoders import TokenEncoder
from headstart.modalities import TokenProcessor
from headstart.objectives import Objective
from headstart.objectives.heads import TokenHead
from headstart.objectives.vocabulary import VocabularyLoss, VocabularyOptions


class CausalOptions(VocabularyOptions):
    """GPT's output layer. The task itself has no hyper-parameters."""

    tie: bool = Field(True, description="Use the input table as output layer, as GPT does.")


class CausalModeling(Objective):
    """Predict each token from those to its left: ``-mean log p(x_t | x_<t)``."""

    family = "prediction of what follows"
    needs = frozenset({"vocabulary", "token_embedding", "left_to_right", "order"})
    makes_causal = True
    layout = "packed"
    Options = CausalOptions
    encoder: TokenEncoder

    def __init__(
        self, encoder: TokenEncoder, processor: TokenProcessor, options: CausalOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = TokenHead(
            encoder.token_embedding, encoder.width, transform=False, tie=options.tie
        )
        self.loss = VocabularyLoss(encoder.vocabulary or processor.vocabulary, options)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with ``targets`` (B,T), the next token of the same document."""
        batch = self.encoder.with_ids(batch)
        ids = batch["input_ids"]
        follows = batch["mask"][:, 1:].clone()
        if "segments" in batch:
            follows &= batch["segments"][:, 1:] == batch["segments"][:, :-1]
        targets = torch.full_like(ids, IGNORE)
        targets[:, :-1] = torch.where(follows, ids[:, 1:], IGNORE)
        return self.loss.draw({**batch, "targets": targets}, generator)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        seen = self.encoder.causal_visibility(batch)
        tokens = self.encoder.contextualize(self.encoder.embed(batch), seen, batch.get("positions"))
        return self.loss(self.head, tokens, batch)

    def keep_rows(self) -> list[nn.Parameter]:
        return self.loss.keep_rows(self.encoder.token_embedding, self.head)

    def save_head(self, folder: Path) -> bool:
        """Write the output layer, which ``generate`` and cloze prompts need."""
        self.head.save(folder, "clm", self.encoder.generates)
        return True
