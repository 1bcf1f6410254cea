"""Separation of mixtures: with clean sources (PIT), and with nothing but mixtures (MixIT)."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders.conv_tasnet import ConvTasNet
from headstart.files import write_json
from headstart.modalities import Processor
from headstart.objectives import Objective
from headstart.objectives.separation_losses import consistent, mixit_loss, pit_loss

#: What a run of these objectives ``predicts``.
VOICES = "voices"
#: Signals that are given by default for each mixture that is mixed with another.
OUTPUTS = 4


class PitOptions(Options):
    """How recordings are mixed."""

    sources: int = Field(2, ge=2, le=4, description="Recordings in a mixture.")
    level: float = Field(
        2.5, ge=0, le=30, description="Each is this much louder or quieter at most, in dB."
    )


class MixitOptions(Options):
    """How mixtures are divided."""

    voices: int = Field(
        2, ge=1, le=4, description="Voices in one recording, which `predict` writes by default."
    )


class Separation(Objective):
    """What both objectives share: other rows of the batch are added to each row."""

    needs = frozenset({"waveform", "voices"})
    alone = True
    encoder: ConvTasNet
    count = 2
    voices = 2

    def preview_images(self, batch: Batch) -> dict[str, Tensor]:
        """Return no pictures: the mixtures themselves are shown."""
        return {}

    def save_head(self, folder: Path) -> bool:
        """Write how many voices a recording has; the network is the encoder."""
        name = type(self).__name__.lower()
        write_json(
            folder / "head.json", {"objective": name, "predicts": VOICES, "voices": self.voices}
        )
        return True


class Pit(Separation):
    """Separate sums of clean recordings; the loss is minus the SI-SDR of the best order.

    For recordings of one voice each (Kolbaek et al. 2017; Luo & Mesgarani 2019). ``si_sdr`` is
    that of the outputs, and ``si_sdr_chance`` that of the mixture itself.
    """

    family = "separation"
    Options = PitOptions

    def __init__(self, encoder: ConvTasNet, processor: Processor, options: PitOptions) -> None:
        super().__init__()
        self.encoder, self.options = encoder, options
        self.count = self.voices = options.sources
        encoder.give(options.sources)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return mixtures, ``waveform`` (B,1,S), and their ``sources`` (B,N,S)."""
        waveform = batch["waveform"].flatten(1)
        power = waveform.square().sum(1, keepdim=True) / batch["lengths"][:, None]
        level = torch.rand(
            len(waveform), self.count, generator=generator, device=generator.device
        ).to(waveform)
        gains = 10 ** (self.options.level * (2 * level - 1) / 20)
        # All have the power of the row they are added to, and a level of their own.
        unit = waveform / (power + 1e-8).sqrt()
        loudness = (power + 1e-8).sqrt()
        sources, lengths = stacked(unit, batch["lengths"], self.count, generator)
        sources = sources * gains[:, :, None] * loudness[:, None]
        return {"waveform": sources.sum(1)[:, None], "lengths": lengths, "sources": sources}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        sources = batch["sources"]
        with torch.autocast(sources.device.type, enabled=False):
            found = self.encoder.separate(batch).float()
            loss, _ = pit_loss(found, sources)
            mixture = batch["waveform"].expand_as(sources)
            chance = pit_loss(mixture, sources)[0]
        return {
            "loss": loss.mean(),
            "si_sdr": -loss.mean().detach(),
            "si_sdr_chance": -chance.mean(),
        }


class Mixit(Separation):
    """Separate sums of two mixtures, so that outputs can be added up to each of them again.

    Mixture-invariant training (Wisdom et al. 2020, https://arxiv.org/abs/2006.12701): no clean
    source is ever seen. The network gives twice as many signals as a recording has voices.
    """

    family = "separation"
    Options = MixitOptions

    def __init__(self, encoder: ConvTasNet, processor: Processor, options: MixitOptions) -> None:
        super().__init__()
        self.encoder, self.options = encoder, options
        self.voices = options.voices
        asked = encoder.options.outputs
        encoder.give(asked if asked > options.voices else 2 * options.voices)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return sums of two mixtures, ``waveform`` (B,1,S), and the ``mixtures`` (B,2,S)."""
        waveform = batch["waveform"].flatten(1)
        mixtures, lengths = stacked(waveform, batch["lengths"], 2, generator)
        return {"waveform": mixtures.sum(1)[:, None], "lengths": lengths, "mixtures": mixtures}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        mixtures = batch["mixtures"]
        with torch.autocast(mixtures.device.type, enabled=False):
            found = self.encoder.separate(batch).float()
            found = consistent(found, batch["waveform"].flatten(1))
            loss, _ = mixit_loss(found, mixtures)
        return {"loss": loss.mean()}


def stacked(
    waveform: Tensor, lengths: Tensor, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return rows (B,count,S) beside other rows of the batch, and the longest length (B,) of each.

    The others are those some random steps further on, so that no row is beside itself where the
    batch is larger than ``count``; each begins at a random moment within the longest of them.
    """
    rows, total = waveform.shape
    steps = torch.randperm(max(rows - 1, 1), generator=generator, device=generator.device) + 1
    at = torch.arange(rows, device=waveform.device)
    shifts = [0, *steps.tolist() * count][:count]
    which = torch.stack([(at + shift) % rows for shift in shifts], 1)  # (B,count)
    sizes = lengths[which]
    longest = sizes.max(1).values
    draw = torch.rand(rows, count, generator=generator, device=generator.device).to(waveform)
    start = (draw * (longest[:, None] - sizes + 1)).long()
    index = torch.arange(total, device=waveform.device) - start[:, :, None]  # (B,count,S)
    inside = (index >= 0) & (index < sizes[:, :, None])
    found = waveform[which].gather(2, index.clamp(0, total - 1))
    return found * inside, longest
