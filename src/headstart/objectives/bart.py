"""Denoising sequence-to-sequence pre-training (BART, Lewis et al. 2020, section 2.2)."""

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
from headstart.objectives.masked import mask_of, plain_ids
from headstart.objectives.rewriting import (
    Body,
    SpecialTokens,
    decoder_loss,
    decoder_targets,
    save_head_description,
)
from headstart.objectives.text_noise import (
    delete,
    infill,
    mask,
    permute_sentences,
    replace,
    rotate,
)

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
    """The encoder reads a corrupted text, and the decoder writes the original.

    The noises are applied in this order, whatever the order of ``noises``: sentences are permuted,
    tokens masked, deleted, replaced, spans infilled, and the text is rotated. See Lewis et al.
    2020, https://arxiv.org/abs/1910.13461.
    """

    family = "reconstruction"
    needs = frozenset({"vocabulary", "mask_token", "sentences", "decoder"})
    Options = BARTOptions
    encoder: WriterEncoder

    def __init__(
        self, encoder: WriterEncoder, processor: TokenProcessor, options: BARTOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.special_tokens = SpecialTokens.of(processor.vocabulary)
        self.vocabulary = processor.vocabulary
        self.ratio = Schedule(options.noise_ratio)
        self.plain: Tensor
        self.register_buffer("plain", plain_ids(self.vocabulary), persistent=False)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return corrupted ``input_ids`` and ``mask`` (B,T), and the originals as ``written/``."""
        text = self.special_tokens.strip(batch)
        starts = batch["sentence_starts"][:, -text.ids.shape[1] :]
        noisy = self.apply_noises(text, starts, generator)
        return {**self.special_tokens.wrap(batch, noisy), **decoder_targets(batch)}

    def apply_noises(self, text: Body, starts: Tensor, generator: torch.Generator) -> Body:
        """Return the noisy texts; ``starts`` (B,W) is True where a sentence begins."""
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
        return decoder_loss(self.encoder, batch)

    def after_step(self, progress: float) -> None:
        self.ratio.progress.fill_(progress)

    def save_head(self, folder: Path) -> bool:
        """Write the note by which ``generate`` knows what the run can write."""
        return save_head_description(folder, "bart")
