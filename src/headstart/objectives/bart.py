"""Denoising by writing the text anew (BART, Lewis et al. 2020, section 2.2)."""

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
from headstart.objectives.curriculum import Course, Ratio
from headstart.objectives.masked import mask_of, plain_ids
from headstart.objectives.noises import (
    delete,
    infill,
    mask,
    permute_sentences,
    replace,
    rotate,
)
from headstart.objectives.rewriting import Body, Margins, note_writer, to_write, writing_loss

Noise = Literal["sentences", "masking", "deletion", "replacement", "infilling", "rotation"]


class BARTOptions(Options):
    """The values of the paper's large model (section 5): infilling and sentence permutation."""

    noises: tuple[Noise, ...] = Field(
        ("sentences", "infilling"),
        min_length=1,
        description="Of sentences, masking, deletion, replacement, infilling, rotation.",
    )
    noise_ratio: Ratio = Field(
        0.3, description="Share of the tokens that each noise hits; 0.15..0.3 moves over the run."
    )
    span: float = Field(3.0, gt=0, description="Mean length of what infilling takes out.")


class BART(Objective):
    """What is read is damaged in one or several ways; the decoder writes the whole text.

    Damage is always done in this order, whatever the order of ``noises``: sentences are permuted,
    tokens masked, deleted, replaced, spans infilled, and the text is rotated.
    """

    needs = frozenset({"vocabulary", "mask_token", "sentences", "decoder"})
    Options = BARTOptions
    encoder: WriterEncoder

    def __init__(
        self, encoder: WriterEncoder, processor: TokenProcessor, options: BARTOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.margins = Margins.of(processor.vocabulary)
        self.vocabulary = processor.vocabulary
        self.ratio = Course(options.noise_ratio)
        self.plain: Tensor
        self.register_buffer("plain", plain_ids(self.vocabulary), persistent=False)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return what is read, ``input_ids`` and ``mask`` (B,T), and all as ``written/``."""
        text = self.margins.inside(batch)
        starts = batch["sentence_starts"][:, -text.ids.shape[1] :]
        damaged = self.damage(text, starts, generator)
        return {**self.margins.around(batch, damaged), **to_write(batch)}

    def damage(self, text: Body, starts: Tensor, generator: torch.Generator) -> Body:
        """Return texts as the noises leave them; ``starts`` (B,W) are where sentences begin."""
        noises, share = set(self.options.noises), self.ratio.now(self.training)
        hidden = mask_of(self.vocabulary)
        if "sentences" in noises:
            text = permute_sentences(text, starts, generator)
        if "masking" in noises:
            text = mask(text, share, hidden, generator)
        if "deletion" in noises:
            text = delete(text, share, generator)
        if "replacement" in noises:
            text = replace(text, share, self.plain, generator)
        if "infilling" in noises:
            text = infill(text, share, self.options.span, hidden, generator)
        if "rotation" in noises:
            text = rotate(text, generator)
        return text

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return writing_loss(self.encoder, batch)

    def after_step(self, progress: float) -> None:
        self.ratio.progress.fill_(progress)

    def save_head(self, folder: Path) -> bool:
        """Tell ``generate`` what the run can write."""
        return note_writer(folder, "bart")
