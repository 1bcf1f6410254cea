"""TSDAE: reconstruct a text from the sentence vector of a noisy version (Wang et al. 2021)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import CrossAttentionEncoder
from headstart.modalities import TokenProcessor
from headstart.objectives import Objective
from headstart.objectives.curriculum import Ratio, Schedule
from headstart.objectives.heads import TokenHead
from headstart.objectives.losses import token_loss
from headstart.objectives.rewriting import SpecialTokens, compact, decoder_targets


class TSDAEOptions(Options):
    """The paper's value (section 5.3, "noise ratio")."""

    delete_ratio: Ratio = Field(
        0.6, description="Chance of each word to be deleted; 0.3..0.6 moves over the run."
    )


class TSDAE(Objective):
    """Most words are deleted; the decoder writes the whole text from the pooled vector of the rest.

    The decoder shares the encoder's weights and cross-attends to the pooled vector alone, which is
    therefore a bottleneck for all of the text. The paper pools ``[CLS]``; here, as everywhere in
    this library, the encoder's own pooled vector is trained. See Wang et al. 2021, section 3,
    https://arxiv.org/abs/2104.06979.
    """

    family = "reconstruction"
    needs = frozenset({"vocabulary", "token_embedding", "cross_attention"})
    Options = TSDAEOptions
    encoder: CrossAttentionEncoder

    def __init__(
        self, encoder: CrossAttentionEncoder, processor: TokenProcessor, options: TSDAEOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.special_tokens = SpecialTokens.of(processor.vocabulary)
        self.ratio = Schedule(options.delete_ratio)
        self.decoder = encoder.decoder()
        self.head = TokenHead(encoder.token_embedding, encoder.width, transform=True)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return noisy ``input_ids`` and ``mask`` (B,T), and the originals as ``written/``."""
        text = self.special_tokens.strip(batch)
        starts = batch["word_starts"][:, -text.ids.shape[1] :]
        kept = sample_words(text.real, starts, 1 - self.ratio.now(self.training), generator)
        noisy = self.special_tokens.wrap(batch, compact(text.ids, kept))
        return {**noisy, **decoder_targets(batch)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        written, real = batch["written/input_ids"], batch["written/mask"]
        before = {"input_ids": written[:, :-1], "mask": real[:, :-1]}
        vectors = self.decoder(self.encoder.embed(before), self.encoder.pool(batch))
        where = real[:, 1:].flatten().nonzero().squeeze(1)
        return token_loss(self.head(vectors.flatten(0, 1)[where]), written[:, 1:].flatten()[where])

    def after_step(self, progress: float) -> None:
        self.ratio.progress.fill_(progress)


def sample_words(real: Tensor, starts: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Keep each word as a whole with probability ``share``, at least one, as (B,W) bool.

    Args:
        real: (B,W) bool, True at the tokens of the text.
        starts: (B,W) bool, True at the first token of a word.
    """
    draw = torch.rand(real.shape, generator=generator, device=real.device)
    index = torch.arange(real.shape[1], device=real.device)
    # A word takes the draw of its first token; a window may begin inside a word.
    first = torch.where(starts & real, index, 0).cummax(1).values
    word_draw = draw.gather(1, first).masked_fill(~real, -1.0)
    best = word_draw.amax(1, keepdim=True)
    return real & ((word_draw > 1 - share) | (word_draw == best))
