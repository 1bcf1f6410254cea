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
from headstart.objectives.curriculum import Course, Ratio
from headstart.objectives.rewriting import (
    Body,
    Margins,
    chosen,
    closed_up,
    interleaved,
    note_writer,
    to_write,
    writing_loss,
)


class SpanCorruptionOptions(Options):
    """T5's values."""

    mask_ratio: Ratio = Field(
        0.15, description="Share of the tokens that are cut out; 0.15..0.3 moves over the run."
    )
    span: float = Field(3.0, ge=1, description="Mean length of what is cut out at one place.")


class SpanCorruption(Objective):
    """Some spans are cut out, a sentinel in the place of each; the decoder writes what they were.

    Of L tokens n = clip(round(0.15 L), 1, L - 1) are noise, in s = max(1, round(n / 3)) spans.
    What is read has L - n + s tokens, what is written n + s, each and the tokens that close a
    row; a token that opens rows opens what is read. A row begins with text and ends with noise.
    """

    needs = frozenset({"vocabulary", "sentinels", "decoder"})
    Options = SpanCorruptionOptions
    encoder: WriterEncoder

    def __init__(
        self, encoder: WriterEncoder, processor: TokenProcessor, options: SpanCorruptionOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.margins = Margins.of(processor.vocabulary)
        self.ratio = Course(options.mask_ratio)
        self.sentinels: Tensor
        self.register_buffer(
            "sentinels", torch.tensor(processor.vocabulary.sentinel_ids), persistent=False
        )

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return what is read, ``input_ids`` and ``mask`` (B,T), and the same of ``written/``."""
        text = self.margins.inside(batch)
        ratio = self.ratio.now(self.training)
        number = noise_spans(text, ratio, self.options.span, len(self.sentinels), generator)
        noise = number >= 0
        begins = noise & (number != torch.nn.functional.pad(number, (1, 0), value=-1)[:, :-1])
        sentinel = self.sentinels[number.clamp(min=0)]
        read = closed_up(torch.where(begins, sentinel, text.ids), text.real & (~noise | begins))
        written = closed_up(interleaved(sentinel, text.ids), interleaved(begins, noise))
        closing = Margins(0, self.margins.suffix, self.margins.pad)
        return {**self.margins.around(batch, read), **to_write(closing.around(batch, written))}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return writing_loss(self.encoder, batch)

    def after_step(self, progress: float) -> None:
        self.ratio.progress.fill_(progress)

    def save_head(self, folder: Path) -> bool:
        """Tell ``generate`` what the run can write."""
        return note_writer(folder, "span_corruption")


def noise_spans(
    text: Body, ratio: float, span: float, most: int, generator: torch.Generator
) -> Tensor:
    """Return (B,W) the number of the span that each token is of, from 0 on; -1 for what is kept.

    Noise and text are each parted into as many segments, all partings as likely, and laid by
    turns, text first. A text of one token is kept whole.

    Args:
        ratio: share of noise.
        span: mean length of a span.
        most: spans at most.
    """
    size = text.size
    noise = (size.double() * ratio).round().long().clamp(min=1).minimum((size - 1).clamp(min=0))
    spans = (noise.double() / span).round().long().clamp(min=1)
    spans = spans.clamp(max=most).minimum(noise).minimum(size - noise)
    lengths = torch.stack(
        [parted(amount, spans, text.ids.shape[1], generator) for amount in (size - noise, noise)],
        2,
    ).flatten(1)
    ends = lengths.cumsum(1)
    index = torch.arange(text.ids.shape[1], device=size.device).expand(len(size), -1)
    segment = torch.searchsorted(ends, index.contiguous(), right=True)
    return torch.where(text.real & (segment % 2 == 1), segment // 2, -1)


def parted(amount: Tensor, parts: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """Part ``amount`` (B,) into ``parts`` (B,) lengths of at least 1, all partings as likely.

    Returns:
        (B,P) lengths, 0 behind the last.
    """
    index = torch.arange(width, device=amount.device)
    cuts = chosen((index > 0) & (index < amount[:, None]), parts - 1, generator)
    part = cuts.long().cumsum(1)
    lengths = amount.new_zeros(len(amount), max(1, int(parts.max())))
    return lengths.scatter_add(
        1, part.clamp(max=lengths.shape[1] - 1), (index < amount[:, None]).long()
    )
