"""Permuted language modeling with two streams (XLNet, Yang et al. 2019, section 2.2)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from headstart.batch import IGNORE, Batch
from headstart.config import Options
from headstart.encoders import TwoStreamEncoder
from headstart.encoders.visibility import visibility
from headstart.modalities import TokenProcessor
from headstart.objectives import Objective
from headstart.objectives.heads import TokenHead, loss_at_targets
from headstart.objectives.masked import ordinary


class PermutedOptions(Options):
    """XLNet's value: K = 6 (section 2.3, "Partial Prediction")."""

    predict_ratio: float = Field(
        1 / 6, gt=0, lt=1, description="Share of the positions to predict: the last in the order."
    )


class PermutedModeling(Objective):
    """Predict the last sixth of the tokens in a random order from those earlier in it.

    Tokens keep their positions; only the attention mask follows the order. The content stream sees
    every token; the query stream knows only the position of its token. Special tokens come first
    in every order and are never predicted. See Yang et al. 2019, https://arxiv.org/abs/1906.08237.
    """

    family = "prediction of what follows"
    needs = frozenset({"vocabulary", "token_embedding", "two_streams"})
    layout = "packed"
    Options = PermutedOptions
    encoder: TwoStreamEncoder

    def __init__(
        self, encoder: TwoStreamEncoder, processor: TokenProcessor, options: PermutedOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.vocabulary = processor.vocabulary
        self.head = TokenHead(encoder.token_embedding, encoder.width, transform=False)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with an order and the positions to predict.

        ``order`` (B,T) is the rank of each position, ``where`` (B,P) the positions to predict, -1
        for none, and ``targets`` (B,P) their tokens.
        """
        ids, mask = batch["input_ids"], batch["mask"]
        plain = ordinary(batch, self.vocabulary)
        draw = torch.rand(ids.shape, generator=generator, device=ids.device)
        # Special tokens come first; padding last, so that no real position attends to it.
        score = torch.where(plain, draw, torch.where(mask, draw - 1.0, 2.0))
        order = score.argsort(1).argsort(1)
        length = mask.sum(1, keepdim=True)
        wanted = (length * self.options.predict_ratio).round().long().clamp(min=1)
        chosen = plain & (order >= length - wanted)
        # A position without context has nothing to predict from, and would attend to everything.
        chosen &= in_order({**batch, "order": order}).any(2)
        rank = order.masked_fill(~chosen, -1)
        count = max(1, int(chosen.sum(1).max()))
        last, where = rank.topk(count, dim=1)
        none = last < 0
        return {
            **batch,
            "order": order,
            "where": where.masked_fill(none, -1),
            "targets": ids.gather(1, where).masked_fill(none, IGNORE),
        }

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        predicted = self.encoder.query(self.encoder.embed(batch), in_order(batch), batch["where"])
        return loss_at_targets(self.head, predicted, batch["targets"])


def in_order(batch: Batch) -> Tensor:
    """Return (B,T,T) bool: i may attend to j if j is earlier in the order and in its document."""
    order = batch["order"]
    earlier = order[:, None, :] < order[:, :, None]
    seen = visibility(batch)
    return earlier if seen is None else earlier & seen
