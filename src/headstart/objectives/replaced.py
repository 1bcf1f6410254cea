"""Replaced-token detection: a small generator forges tokens, the encoder finds the forgeries."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import IGNORE, Batch
from headstart.config import Options
from headstart.encoders import NarrowableEncoder
from headstart.encoders.visibility import visibility
from headstart.modalities import TokenProcessor
from headstart.objectives import Objective
from headstart.objectives.curriculum import Course, Ratio
from headstart.objectives.heads import TokenHead
from headstart.objectives.losses import token_loss
from headstart.objectives.masked import choose, hide, mask_of, plain_ids


class ElectraOptions(Options):
    """Clark et al. 2020, "ELECTRA", section 3 and appendix A, and the original code."""

    mask_ratio: Ratio = Field(
        0.15, description="Share of the positions to forge; 0.15..0.4 moves over the run."
    )
    mask_share: float = Field(
        0.85, ge=0, le=1, description="Of these, how many the generator sees as [MASK]."
    )
    generator: float = Field(
        0.25, gt=0, le=1, description="Width of the generator; a quarter to a third is best."
    )
    weight: float = Field(50.0, gt=0, description="Weight of the discriminator's loss.")


class Electra(Objective):
    """``L_MLM(generator) + 50 L_disc``: two players, one loss; the discriminator is kept.

    Both read the same table of token vectors. Where a token was hidden the generator, a narrow
    network of the encoder's kind, says what it was, and one draw from what it says takes its place.
    The discriminator then tells for *every* token whether it is the original. No gradient flows
    through the draw, so neither player's loss moves the other but for the table.
    """

    needs = frozenset(
        {
            "vocabulary",
            "mask_token",
            "token_embedding",
            "bidirectional",
            "order",
            "narrower",
        }
    )
    layout = "packed"
    Options = ElectraOptions
    encoder: NarrowableEncoder

    def __init__(
        self, encoder: NarrowableEncoder, processor: TokenProcessor, options: ElectraOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.vocabulary = processor.vocabulary
        self.ratio = Course(options.mask_ratio)
        self.generator = Generator(encoder, options.generator)
        self.head = nn.Sequential(
            nn.Linear(encoder.width, encoder.width), nn.GELU(), nn.Linear(encoder.width, 1)
        )
        self.plain: Tensor
        self.register_buffer("plain", plain_ids(self.vocabulary), persistent=False)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return ``input_ids`` with holes, ``targets`` (B,T) there, and ``chance`` (B,T) in 0..1.

        ``chance`` is what the forged tokens are drawn with, from what the generator will say.
        """
        ratio = self.ratio.now(self.training)
        chosen = choose(batch, self.vocabulary, ratio, False, generator)
        hidden = hide(
            batch,
            chosen,
            mask_of(self.vocabulary),
            self.plain,
            (self.options.mask_share, 0.0),
            generator,
        )
        ids = batch["input_ids"]
        chance = torch.rand(ids.shape, generator=generator, device=ids.device)
        return {**hidden, "chance": chance}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        targets, seen = batch["targets"], visibility(batch)
        where = targets.flatten().ne(IGNORE).nonzero().squeeze(1)
        logits = self.generator(self.encoder.embed(batch), where, seen, batch.get("positions"))
        said = token_loss(logits, targets.flatten()[where])

        original = torch.where(targets.eq(IGNORE), batch["input_ids"], targets)
        drawn = draw(logits.detach()[:, : self.vocabulary.size], batch["chance"].flatten()[where])
        forged = original.flatten().scatter(0, where, drawn).view_as(original)
        tokens = self.encoder.contextualize(
            self.encoder.embed({**batch, "input_ids": forged}), seen, batch.get("positions")
        )
        verdict = self.head(tokens).squeeze(2)
        found = detection(verdict, forged != original, batch["mask"])
        return {
            "loss": said["loss"] + self.options.weight * found["loss"],
            "generator": said["loss"],
            "generator_accuracy": said["accuracy"],
            "discriminator": found["loss"],
            "accuracy": found["accuracy"],
            "found": found["found"],
        }

    def after_step(self, progress: float) -> None:
        self.ratio.progress.fill_(progress)


class Generator(nn.Module):
    """A narrow masked LM on the encoder's table of tokens; it is not kept."""

    def __init__(self, encoder: NarrowableEncoder, share: float) -> None:
        super().__init__()
        self.network = encoder.narrower(share)
        self.enter = nn.Linear(encoder.width, self.network.width)
        self.leave = nn.Sequential(
            nn.Linear(self.network.width, encoder.width), nn.GELU(), nn.LayerNorm(encoder.width)
        )
        self.head = TokenHead(encoder.token_embedding, transform=False)

    def forward(
        self, vectors: Tensor, where: Tensor, seen: Tensor | None, positions: Tensor | None
    ) -> Tensor:
        """Return logits (N,V) at the places ``where`` (N,) of vectors (B,T,D), counted flat."""
        tokens = self.network.contextualize(self.enter(vectors), seen, positions)
        logits: Tensor = self.head(self.leave(tokens.flatten(0, 1)[where]))
        return logits


def draw(logits: Tensor, chance: Tensor) -> Tensor:
    """Return one id (N,) a row, drawn from the softmax of logits (N,V) with chance (N,) in 0..1."""
    heap = logits.float().softmax(1).cumsum(1)
    index = torch.searchsorted(heap, (chance * heap[:, -1])[:, None], right=True)
    return index.squeeze(1).clamp(max=logits.shape[1] - 1)


def detection(verdict: Tensor, replaced: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Binary cross-entropy over all real tokens (ELECTRA, section 3.1), with what was found.

    Args:
        verdict: logits (B,T), above 0 for a token that seems replaced.
        replaced, mask: (B,T) bool.
    """
    logits, truth = verdict[mask].float(), replaced[mask]
    said = logits.detach() > 0
    return {
        "loss": F.binary_cross_entropy_with_logits(logits, truth.float()),
        "accuracy": (said == truth).float().mean(),
        "found": (said & truth).sum() / truth.sum().clamp(min=1),
    }
