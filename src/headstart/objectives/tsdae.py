"""TSDAE: a text is written from one vector of what is left of it (Wang et al. 2021, section 3)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import CrossAttentionEncoder
from headstart.modalities import TokenProcessor
from headstart.objectives import Objective
from headstart.objectives.curriculum import Course, Ratio
from headstart.objectives.heads import TokenHead
from headstart.objectives.losses import token_loss
from headstart.objectives.rewriting import Margins, closed_up, to_write


class TSDAEOptions(Options):
    """The paper's value (section 5.3, "noise ratio")."""

    delete_ratio: Ratio = Field(
        0.6, description="Chance of each word to be deleted; 0.3..0.6 moves over the run."
    )


class TSDAE(Objective):
    """Most words are deleted; from the pooled vector of the rest the whole text is written.

    The decoder is the encoder once more, with the same weights and an attention to nothing but
    the pooled vector, so that all the text must go through it. The paper pools by ``[CLS]``;
    here, as everywhere in this library, the encoder's own pooled vector is what is learned.
    """

    needs = frozenset({"vocabulary", "token_embedding", "cross_attention"})
    Options = TSDAEOptions
    encoder: CrossAttentionEncoder

    def __init__(
        self, encoder: CrossAttentionEncoder, processor: TokenProcessor, options: TSDAEOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.margins = Margins.of(processor.vocabulary)
        self.ratio = Course(options.delete_ratio)
        self.decoder = encoder.decoder()
        self.head = TokenHead(encoder.token_embedding, transform=True)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return what is left, ``input_ids`` and ``mask`` (B,T), and all as ``written/``."""
        text = self.margins.inside(batch)
        starts = batch["word_starts"][:, -text.ids.shape[1] :]
        kept = some_words(text.real, starts, 1 - self.ratio.now(self.training), generator)
        left = self.margins.around(batch, closed_up(text.ids, kept))
        return {**left, **to_write(batch)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        written, real = batch["written/input_ids"], batch["written/mask"]
        before = {"input_ids": written[:, :-1], "mask": real[:, :-1]}
        vectors = self.decoder(self.encoder.embed(before), self.encoder.pool(batch))
        where = real[:, 1:].flatten().nonzero().squeeze(1)
        return token_loss(self.head(vectors.flatten(0, 1)[where]), written[:, 1:].flatten()[where])

    def after_step(self, progress: float) -> None:
        self.ratio.progress.fill_(progress)


def some_words(real: Tensor, starts: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return (B,W) bool: each word is kept whole with the chance of ``share``, one at least.

    Args:
        real: (B,W) bool, where the text is.
        starts: (B,W) bool, True at the first token of a word.
    """
    draw = torch.rand(real.shape, generator=generator, device=real.device)
    index = torch.arange(real.shape[1], device=real.device)
    # The chance of a word is that of its first token; a window may begin inside of a word.
    first = torch.where(starts & real, index, 0).cummax(1).values
    luck = draw.gather(1, first).masked_fill(~real, -1.0)
    best = luck.amax(1, keepdim=True)
    return real & ((luck > 1 - share) | (luck == best))
