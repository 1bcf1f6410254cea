"""Gap-sentence generation: masked sentences are written (PEGASUS, Zhang et al. 2020, section 3)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import WriterEncoder
from headstart.modalities import TokenProcessor
from headstart.objectives import Objective
from headstart.objectives.curriculum import Ratio, Schedule
from headstart.objectives.masked import mask_of
from headstart.objectives.rewriting import (
    Body,
    SpecialTokens,
    compact,
    decoder_loss,
    decoder_targets,
    save_head_description,
)


class GapSentencesOptions(Options):
    """The values of the paper's large model: 30% of the sentences, the principal ones."""

    gap_ratio: Ratio = Field(
        0.3, description="Share of the sentences that are masked; 0.15..0.3 moves over the run."
    )
    select: Literal["principal", "random"] = Field(
        "principal",
        description="Those most like the rest of the text (ROUGE-1 F), or any.",
    )


class GapSentences(Objective):
    """Each selected sentence is replaced by one mask, and the decoder writes them in order.

    ``principal`` scores each sentence independently, and repeated tokens count as often as they
    match, as in ROUGE (the paper's *Ind-Orig*), on tokens instead of words. At least one sentence
    is masked and one remains; for a text of one sentence only the end token is written. See Zhang
    et al. 2020, https://arxiv.org/abs/1912.08777.
    """

    family = "reconstruction"
    needs = frozenset({"vocabulary", "mask_token", "sentences", "decoder"})
    Options = GapSentencesOptions
    encoder: WriterEncoder

    def __init__(
        self, encoder: WriterEncoder, processor: TokenProcessor, options: GapSentencesOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.special_tokens = SpecialTokens.of(processor.vocabulary)
        self.vocabulary = processor.vocabulary
        self.ratio = Schedule(options.gap_ratio)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the encoder's ``input_ids`` and ``mask`` (B,T), the decoder's as ``written/``."""
        text = self.special_tokens.strip(batch)
        starts = batch["sentence_starts"][:, -text.ids.shape[1] :]
        number = numbered(text, starts)
        draw = torch.rand(text.ids.shape, generator=generator, device=text.ids.device)
        # Ties are broken at random.
        principal = self.options.select == "principal"
        gap = self._gaps(number, rouge(text, number) + 1e-6 * draw if principal else draw)
        begins = gap & first_of(number)
        hidden = torch.where(begins, mask_of(self.vocabulary), text.ids)
        closing = SpecialTokens(0, self.special_tokens.suffix, self.special_tokens.pad)
        return {
            **self.special_tokens.wrap(batch, compact(hidden, text.real & (~gap | begins))),
            **decoder_targets(closing.wrap(batch, compact(text.ids, gap))),
        }

    def _gaps(self, number: Tensor, score: Tensor) -> Tensor:
        """Return (B,W) True in the sentences with the highest score (B,W) at their first token."""
        count = number.amax(1) + 1
        wanted = (count.double() * self.ratio.now(self.training)).round().long().clamp(min=1)
        wanted = wanted.minimum((count - 1).clamp(min=0))
        rank = (-score).masked_fill(~first_of(number), 2.0).argsort(1).argsort(1)
        # Each token has the rank of the first of its sentence.
        best = torch.full_like(rank, rank.shape[1]).scatter_reduce(
            1, number.clamp(min=0), rank.masked_fill(~first_of(number), rank.shape[1]), "amin"
        )
        return (number >= 0) & (best.gather(1, number.clamp(min=0)) < wanted[:, None])

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return decoder_loss(self.encoder, batch)

    def after_step(self, progress: float) -> None:
        self.ratio.progress.fill_(progress)

    def save_head(self, folder: Path) -> bool:
        """Write the note by which ``generate`` knows what the run can write."""
        return save_head_description(folder, "gap_sentences")


def numbered(text: Body, starts: Tensor) -> Tensor:
    """Return (B,W) the index of each token's sentence, -1 where there is no text.

    A sentence that a window cut off counts as one.
    """
    begins = starts & text.real
    begins[:, 0] |= text.real[:, 0]
    return (begins.long().cumsum(1) - 1).masked_fill(~text.real, -1)


def first_of(number: Tensor) -> Tensor:
    """Return (B,W) bool: True at the first token of each sentence in ``number`` (B,W)."""
    before = torch.nn.functional.pad(number, (1, 0), value=-1)[:, :-1]
    return (number >= 0) & (number != before)


def rouge(text: Body, number: Tensor) -> Tensor:
    """Return (B,W) the ROUGE-1 F of each token's sentence against the rest of its text.

    With m tokens that match, precision m / len(sentence), recall m / len(rest) (Lin 2004).
    """
    real = text.real
    same = (text.ids[:, :, None] == text.ids[:, None, :]) & real[:, None, :] & real[:, :, None]
    sentence = (number[:, :, None] == number[:, None, :]) & real[:, None, :] & real[:, :, None]
    here = (same & sentence).sum(2).clamp(min=1)
    elsewhere = same.sum(2) - (same & sentence).sum(2)
    # Each occurrence of a token carries its share of the matches of that token.
    share = here.minimum(elsewhere) / here
    matches = (sentence * share[:, None, :]).sum(2)
    own = sentence.sum(2)
    rest = text.size[:, None] - own
    # 2 P R / (P + R) with P = m / own and R = m / rest.
    return torch.where(real, 2 * matches / (own + rest).clamp(min=1), 0.0)
