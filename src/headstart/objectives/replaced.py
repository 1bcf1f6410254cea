"""Replaced token detection: the encoder finds the tokens that a small generator replaced."""

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
from headstart.objectives.curriculum import Ratio, Schedule
from headstart.objectives.heads import TokenHead
from headstart.objectives.losses import full_precision, token_loss
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
    """Replaced token detection; the loss is ``L_MLM(generator) + 50 L_discriminator``.

    Generator and discriminator share the token embedding. The generator, a narrow network of the
    encoder's kind, predicts the masked tokens, and a sample from its prediction replaces each. The
    discriminator, which is saved, classifies for *every* token whether it is the original. No
    gradient flows through the sample, so each loss trains one network and the embedding. See Clark
    et al. 2020, https://arxiv.org/abs/2003.10555.
    """

    family = "masked prediction"
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
        self.ratio = Schedule(options.mask_ratio)
        self.generator = Generator(encoder, options.generator)
        self.head = nn.Sequential(
            nn.Linear(encoder.width, encoder.width), nn.GELU(), nn.Linear(encoder.width, 1)
        )
        self.plain: Tensor
        self.register_buffer("plain", plain_ids(self.vocabulary), persistent=False)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return masked ``input_ids``, their ``targets`` (B,T), and ``uniform`` (B,T) in 0..1.

        ``uniform`` are the random numbers with which replacements are sampled from the generator.
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
        uniform = torch.rand(ids.shape, generator=generator, device=ids.device)
        return {**hidden, "uniform": uniform}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        targets, seen = batch["targets"], visibility(batch)
        where = targets.flatten().ne(IGNORE).nonzero().squeeze(1)
        logits = self.generator(self.encoder.embed(batch), where, seen, batch.get("positions"))
        generated = token_loss(logits, targets.flatten()[where])

        original = torch.where(targets.eq(IGNORE), batch["input_ids"], targets)
        drawn = sample(
            logits.detach()[:, : self.vocabulary.size], batch["uniform"].flatten()[where]
        )
        replaced = original.flatten().scatter(0, where, drawn).view_as(original)
        tokens = self.encoder.contextualize(
            self.encoder.embed({**batch, "input_ids": replaced}), seen, batch.get("positions")
        )
        scores = self.head(tokens).squeeze(2)  # (B,T)
        detected = detection(scores, replaced != original, batch["mask"])
        return {
            "loss": generated["loss"] + self.options.weight * detected["loss"],
            "generator": generated["loss"],
            "generator_accuracy": generated["accuracy"],
            "generator_accuracy_chance": generated["accuracy_chance"],
            "discriminator": detected["loss"],
            "accuracy": detected["accuracy"],
            "accuracy_chance": detected["accuracy_chance"],
            "found": detected["found"],
        }

    def after_step(self, progress: float) -> None:
        self.ratio.progress.fill_(progress)


class Generator(nn.Module):
    """A narrow masked language model on the encoder's token embedding; it is not saved."""

    def __init__(self, encoder: NarrowableEncoder, share: float) -> None:
        super().__init__()
        self.network = encoder.narrower(share)
        width = encoder.token_embedding.embedding_dim
        self.enter = nn.Linear(width, self.network.width)
        self.leave = nn.Sequential(
            nn.Linear(self.network.width, width), nn.GELU(), nn.LayerNorm(width)
        )
        self.head = TokenHead(encoder.token_embedding, transform=False)

    def forward(
        self, vectors: Tensor, where: Tensor, seen: Tensor | None, positions: Tensor | None
    ) -> Tensor:
        """Return logits (N,V) at the flat positions ``where`` (N,) of vectors (B,T,D)."""
        tokens = self.network.contextualize(self.enter(vectors), seen, positions)
        logits: Tensor = self.head(self.leave(tokens.flatten(0, 1)[where]))
        return logits


def sample(logits: Tensor, uniform: Tensor) -> Tensor:
    """Sample ids (N,) from the softmax of logits (N,V), given uniform numbers (N,) in 0..1."""
    cumulative = logits.float().softmax(1).cumsum(1)
    index = torch.searchsorted(cumulative, (uniform * cumulative[:, -1])[:, None], right=True)
    return index.squeeze(1).clamp(max=logits.shape[1] - 1)


@full_precision
def detection(scores: Tensor, replaced: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Binary cross-entropy over all real tokens (ELECTRA, section 3.1), with accuracy and recall.

    Args:
        scores: logits (B,T), above 0 for a token predicted as replaced.
        replaced, mask: (B,T) bool.
    """
    logits, truth = scores[mask], replaced[mask]
    predicted, share = logits.detach(), truth.float().mean()
    # A score of 0 says neither, and is right half the time.
    right = (1 + torch.where(truth, predicted, -predicted).sign()) / 2
    return {
        "loss": F.binary_cross_entropy_with_logits(logits, truth.float()),
        "accuracy": right.mean(),
        "accuracy_chance": share.maximum(1 - share),
        "found": ((predicted > 0) & truth).sum() / truth.sum().clamp(min=1),
    }
