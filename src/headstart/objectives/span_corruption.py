"""Span corruption (T5, Raffel et al. 2020, sections 3.1.4 and 3.3.4, and the original code)."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import WriterEncoder
from headstart.modalities import TokenProcessor
from headstart.objectives import Objective
from headstart.objectives.curriculum import Ratio, Schedule
from headstart.objectives.rewriting import (
    Body,
    SpecialTokens,
    compact,
    decoder_loss,
    decoder_targets,
    interleaved,
    sample_positions,
    save_head_description,
)


class SpanCorruptionOptions(Options):
    """T5's values."""

    mask_ratio: Ratio = Field(
        0.15, description="Share of the tokens that are cut out; 0.15..0.3 moves over the run."
    )
    span: float = Field(3.0, ge=1, description="Mean length of what is cut out at one place.")


class SpanCorruption(Objective):
    """Each of some spans is replaced by a sentinel, and the decoder writes the spans.

    Of L tokens n = clip(round(0.15 L), 1, L - 1) are noise, in s = max(1, round(n / 3)) spans. The
    encoder's input has L - n + s tokens and the decoder's target n + s, each plus the tokens that
    end a row; tokens that start a row are in the input alone. A row begins with text and ends with
    noise. See Raffel et al. 2020, https://arxiv.org/abs/1910.10683.
    """

    family = "masked prediction"
    needs = frozenset({"vocabulary", "sentinels", "decoder"})
    Options = SpanCorruptionOptions
    encoder: WriterEncoder

    def __init__(
        self, encoder: WriterEncoder, processor: TokenProcessor, options: SpanCorruptionOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.special_tokens = SpecialTokens.of(processor.vocabulary)
        self.ratio = Schedule(options.mask_ratio)
        self.sentinels: Tensor
        self.register_buffer(
            "sentinels", torch.tensor(processor.vocabulary.sentinel_ids), persistent=False
        )

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the encoder's ``input_ids`` and ``mask`` (B,T), the decoder's as ``written/``."""
        text = self.special_tokens.strip(batch)
        ratio = self.ratio.now(self.training)
        number = noise_spans(text, ratio, self.options.span, len(self.sentinels), generator)
        noise = number >= 0
        begins = noise & (number != torch.nn.functional.pad(number, (1, 0), value=-1)[:, :-1])
        sentinel = self.sentinels[number.clamp(min=0)]
        read = compact(torch.where(begins, sentinel, text.ids), text.real & (~noise | begins))
        written = compact(interleaved(sentinel, text.ids), interleaved(begins, noise))
        closing = SpecialTokens(0, self.special_tokens.suffix, self.special_tokens.pad)
        return {
            **self.special_tokens.wrap(batch, read),
            **decoder_targets(closing.wrap(batch, written)),
        }

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return decoder_loss(self.encoder, batch)

    def after_step(self, progress: float) -> None:
        self.ratio.progress.fill_(progress)

    def save_head(self, folder: Path) -> bool:
        """Write the note by which ``generate`` knows what the run can write."""
        return save_head_description(folder, "span_corruption")


def noise_spans(
    text: Body, ratio: float, span: float, most: int, generator: torch.Generator
) -> Tensor:
    """Return (B,W) the index of each token's noise span; -1 for tokens that are kept.

    Noise and text are each split into the same number of segments, all splits equally likely, and
    alternate, text first. A text of one token is kept.

    Args:
        ratio: share of noise.
        span: mean length of a span.
        most: the largest number of spans.
    """
    size = text.size
    noise = (size.double() * ratio).round().long().clamp(min=1).minimum((size - 1).clamp(min=0))
    spans = (noise.double() / span).round().long().clamp(min=1)
    spans = spans.clamp(max=most).minimum(noise).minimum(size - noise)
    lengths = torch.stack(
        [
            random_lengths(amount, spans, text.ids.shape[1], generator)
            for amount in (size - noise, noise)
        ],
        2,
    ).flatten(1)
    ends = lengths.cumsum(1)
    index = torch.arange(text.ids.shape[1], device=size.device).expand(len(size), -1)
    segment = torch.searchsorted(ends, index.contiguous(), right=True)
    return torch.where(text.real & (segment % 2 == 1), segment // 2, -1)


def random_lengths(amount: Tensor, parts: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """Split ``amount`` (B,) into ``parts`` (B,) lengths of at least 1, all splits equally likely.

    Returns:
        (B,P) lengths, 0 after the last.
    """
    index = torch.arange(width, device=amount.device)
    cuts = sample_positions((index > 0) & (index < amount[:, None]), parts - 1, generator)
    part = cuts.long().cumsum(1)
    lengths = amount.new_zeros(len(amount), max(1, int(parts.max())))
    return lengths.scatter_add(
        1, part.clamp(max=lengths.shape[1] - 1), (index < amount[:, None]).long()
    )
