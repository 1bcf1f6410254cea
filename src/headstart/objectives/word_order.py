"""Word order recovery: predict shuffled tokens (StructBERT, Wang et al. 2020, section 2.2)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from headstart.batch import IGNORE, Batch
from headstart.config import Options
from headstart.encoders import TokenEncoder
from headstart.encoders.visibility import visibility
from headstart.modalities import TokenProcessor, Vocabulary
from headstart.objectives import Objective
from headstart.objectives.curriculum import Ratio, Schedule
from headstart.objectives.heads import TokenHead, loss_at_targets
from headstart.objectives.masked import ordinary

#: The five permutations of three that are not the identity.
_ORDERS = ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
_SPAN = 3


class WordOrderOptions(Options):
    """StructBERT's values."""

    shuffle_ratio: Ratio = Field(
        0.05, description="Share of the trigrams that are shuffled; 0.05..0.2 moves over the run."
    )


class WordOrder(Objective):
    """Some trigrams are shuffled; predict the original token at each of their positions.

    The trigrams do not overlap, and none keeps its order, since unchanged ones teach nothing. The
    paper combines this task with masked modeling: ``--objective mlm:1,word_order:1``. See Wang et
    al. 2020, https://arxiv.org/abs/1908.04577.
    """

    family = "masked prediction"
    needs = frozenset({"vocabulary", "token_embedding", "bidirectional", "order"})
    layout = "packed"
    Options = WordOrderOptions
    encoder: TokenEncoder

    def __init__(
        self, encoder: TokenEncoder, processor: TokenProcessor, options: WordOrderOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.vocabulary = processor.vocabulary
        self.ratio = Schedule(options.shuffle_ratio)
        self.head = TokenHead(encoder.token_embedding, encoder.width, transform=True)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with trigrams shuffled, and ``targets`` (B,T), -100 elsewhere."""
        ids = batch["input_ids"]
        indices, valid = _trigrams(batch, self.vocabulary, generator)
        # A row of n tokens has n - 2 trigrams, counting those that overlap.
        count = ordinary(batch, self.vocabulary).sum(1) - (_SPAN - 1)
        wanted = (count * self.ratio.now(self.training)).round().long().clamp(min=1)
        draw = torch.rand(valid.shape, generator=generator, device=ids.device)
        rank = draw.masked_fill(~valid, 2.0).argsort(1).argsort(1)
        chosen = (valid & (rank < wanted[:, None]))[:, :, None].expand_as(indices)

        orders = torch.tensor(_ORDERS, device=ids.device)
        order = orders[
            torch.randint(len(orders), valid.shape, generator=generator, device=ids.device)
        ]
        flat = indices.flatten(1)
        original = ids.gather(1, flat).view_as(indices)
        moved = torch.where(chosen, original.gather(2, order), original)
        targets = torch.where(chosen, original, IGNORE)
        return {
            **batch,
            "input_ids": ids.scatter(1, flat, moved.flatten(1)),
            "targets": torch.full_like(ids, IGNORE).scatter(1, flat, targets.flatten(1)),
        }

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        tokens = self.encoder.contextualize(
            self.encoder.embed(batch), visibility(batch), batch.get("positions")
        )
        return loss_at_targets(self.head, tokens, batch["targets"])

    def after_step(self, progress: float) -> None:
        self.ratio.progress.fill_(progress)


def _trigrams(
    batch: Batch, vocabulary: Vocabulary, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Split each row into trigrams from a random position on.

    Returns:
        Their positions (B,N,3), and whether each holds three ordinary tokens of one document (B,N).
    """
    ids = batch["input_ids"]
    rows, width = ids.shape
    shift = torch.randint(_SPAN, (rows, 1), generator=generator, device=ids.device)
    inside = max(0, (width - _SPAN + 1) // _SPAN) * _SPAN
    flat = shift + torch.arange(inside, device=ids.device)
    indices = flat.view(rows, -1, _SPAN)
    valid = ordinary(batch, vocabulary).gather(1, flat).view_as(indices).all(2)
    if "segments" in batch:
        of = batch["segments"].gather(1, flat).view_as(indices)
        valid &= of[:, :, 0] == of[:, :, 2]
    return indices, valid
