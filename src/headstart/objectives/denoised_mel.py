"""Denoised spectrograms: noise is mixed into a recording, and the network draws it without."""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders.mel_conv import MelConv
from headstart.modalities import Processor
from headstart.modalities.spectra import real_frames
from headstart.objectives import Objective
from headstart.objectives.mel_head import drawn_mel, mel_head


class DenoisedMelOptions(Options):
    """How loud the noise is."""

    least: float = Field(
        -5.0, ge=-30, le=60, description="Least that a recording is above its noise, in dB."
    )
    most: float = Field(
        15.0, ge=-30, le=60, description="Most that a recording is above its noise, in dB."
    )

    @model_validator(mode="after")
    def _rising(self) -> DenoisedMelOptions:
        if self.least > self.most:
            raise ValueError("least must not be above most")
        return self


class DenoisedMel(Objective):
    """Draw the clean log-mel spectrogram of a noisy recording (Vincent et al. 2010, on sounds).

    The noise is white, or of the folder ``audio.noise``. The squared error is over real frames and
    all bands, relative to the variance of what is to be drawn: 1 is what its mean would reach.
    ``unchanged`` is the same for the noisy spectrogram as it is.
    """

    family = "reconstruction"
    needs = frozenset({"waveform", "spectrogram"})
    Options = DenoisedMelOptions
    encoder: MelConv
    batch_size = 64

    def __init__(self, encoder: MelConv, processor: Processor, options: DenoisedMelOptions) -> None:
        super().__init__()
        self.encoder, self.processor, self.options = encoder, processor, options
        self.head = mel_head(encoder)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return noisy recordings, and beside them the ``clean`` (B,1,S)."""
        levels = (self.options.least, self.options.most)
        return {**self.processor.noisy(batch, generator, levels), "clean": batch["waveform"]}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        mel, frames = self.encoder.mel(batch)
        clean, _ = self.encoder.mel({**batch, "waveform": batch["clean"]})
        found, _ = self.encoder.map_of(mel, frames)
        drawn = drawn_mel(self.head, self.encoder, found, mel.shape[2])
        real = real_frames(frames, mel.shape[2])[:, None].expand_as(mel)
        wanted = clean[real]
        scale = wanted.var(correction=0).clamp(min=1e-3)
        with torch.no_grad():
            unchanged = (mel[real] - wanted).square().mean() / scale
        return {"loss": (drawn[real] - wanted).square().mean() / scale, "unchanged": unchanged}
