"""Denoising by writing the text anew (BART, Lewis et al. 2020, section 2.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.config import Options
from headstart.modalities import DiscreteTargets
from headstart.objectives.curriculum import Course, Ratio
from headstart.objectives.masked import plain_ids
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


class BART(nn.Module):
    """What is read is damaged in one or several ways; the decoder writes the whole text.

    Damage is always done in this order, whatever the order of ``noises``: sentences are permuted,
    tokens masked, deleted, replaced, spans infilled, and the text is rotated.
    """

    needs: ClassVar[frozenset[str]] = frozenset(
        {"discrete_targets", "mask_token", "sentences", "decoder"}
    )
    layout: ClassVar[str] = "documents"
    Options: ClassVar[type[Options]] = BARTOptions

    def __init__(self, encoder: Any, processor: Any, options: BARTOptions) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.margins = Margins.of(processor)
        self.targets: DiscreteTargets = processor.targets
        self.ratio = Course(options.noise_ratio)
        self.plain: Tensor
        self.register_buffer("plain", plain_ids(self.targets), persistent=False)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return what is read, ``input_ids`` and ``mask`` (B,T), and all as ``written/``."""
        text = self.margins.inside(batch)
        starts = batch["sentence_starts"][:, -text.ids.shape[1] :]
        damaged = self.damage(text, starts, generator)
        return {**self.margins.around(batch, damaged), **to_write(batch)}

    def damage(self, text: Body, starts: Tensor, generator: torch.Generator) -> Body:
        """Return texts as the noises leave them; ``starts`` (B,W) are where sentences begin."""
        noises, share = set(self.options.noises), self.ratio.now(self.training)
        hidden = self.targets.mask_id
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

    def save_head(self, folder: Path) -> None:
        """Tell ``generate`` what the run can write."""
        note_writer(folder, "bart")
