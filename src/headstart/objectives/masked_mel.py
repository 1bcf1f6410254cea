"""Masked spectrograms: blocks of a log-mel spectrogram are flat, and the network draws them."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders.mel_conv import MelConv
from headstart.modalities import Processor
from headstart.modalities.spectra import frames_of, real_frames
from headstart.objectives import Objective
from headstart.objectives.mel_head import drawn_mel, mel_head


class MaskedMelOptions(Options):
    """How much is masked, and in blocks of which size."""

    mask_ratio: float = Field(
        0.5, gt=0, lt=1, description="Share of the blocks of each recording that is masked."
    )
    frames: int = Field(8, ge=1, le=200, description="Frames of a block, of 10 ms each.")
    bands: int = Field(10, ge=1, le=128, description="Bands of a block.")


class MaskedMel(Objective):
    """Mask blocks of the spectrogram and draw them; the squared error counts these alone.

    A masked block has the mean of its recording. Blocks of what is silent behind a recording are
    never masked, and of each recording one is at least. The loss is relative to the variance of
    what was masked, so that 1 is what the mean would reach (as SimMIM, Xie et al. 2022, and
    AudioMAE, Huang et al. 2022, https://arxiv.org/abs/2207.06405, on convolutions).
    """

    family = "masked prediction"
    needs = frozenset({"waveform", "spectrogram"})
    Options = MaskedMelOptions
    encoder: MelConv
    batch_size = 64

    def __init__(self, encoder: MelConv, processor: Processor, options: MaskedMelOptions) -> None:
        super().__init__()
        self.encoder, self.options = encoder, options
        self.head = mel_head(encoder)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the recordings, and where their spectrograms are ``masked`` (B,M,T)."""
        frames = frames_of(batch["lengths"], self.encoder.rate)
        height, width = self.options.bands, self.options.frames
        bands, total = self.encoder.options.bands, int(frames.max())
        rows, columns = -(-bands // height), -(-total // width)
        draw = torch.rand(len(frames), rows, columns, generator=generator, device=generator.device)
        real = real_frames(-(-frames // width), columns)[:, None]
        draw = draw.to(frames.device).masked_fill(~real, 2.0)
        most = (real.sum(2) * rows * self.options.mask_ratio).round().clamp(min=1)  # (B,1)
        blocks = (draw.flatten(1).argsort(1).argsort(1) < most).view_as(draw)
        masked = blocks.repeat_interleave(height, 1).repeat_interleave(width, 2)
        masked = masked[:, :bands, :total] & real_frames(frames, total)[:, None]
        return {**batch, "masked": masked}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        mel, frames = self.encoder.mel(batch)
        masked = batch["masked"]
        found, _ = self.encoder.map_of(mel.masked_fill(masked, 0.0), frames)
        wanted = mel[masked]
        drawn = drawn_mel(self.head, self.encoder, found, mel.shape[2])
        error = (drawn[masked] - wanted).square().mean()
        return {"loss": error / wanted.var(correction=0).clamp(min=1e-3)}
