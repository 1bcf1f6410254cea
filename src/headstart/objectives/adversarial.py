"""Adversarial networks: a generator draws, a judge learns to see the difference (GAN, BiGAN)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import PixelEncoder
from headstart.modalities import PixelProcessor
from headstart.objectives import Objective
from headstart.objectives.decoders import SLOPE, Critic, ImageGenerator, dcgan_init
from headstart.objectives.patches import plain
from headstart.objectives.players import held, unmoved


class GANOptions(Options):
    """DCGAN's values (Radford et al. 2016, section 3), which go with a learning rate of 2e-4."""

    latent: int = Field(100, ge=1, description="Size of the vectors it draws from.")
    channels: int = Field(64, ge=4, description="Width of the generator near the picture.")
    betas: tuple[float, float] = Field((0.5, 0.999), description="Adam's moment decays.")


class GAN(Objective):
    """The encoder is the trunk of the discriminator: what tells drawn from real is kept.

    Non-saturating loss (Goodfellow et al. 2014, section 3). Both players move in each step, each
    taking the other's parameters as constants. Running statistics of the encoder are those of real
    pictures alone.
    """

    needs = frozenset({"pixels"})
    Options = GANOptions
    encoder: PixelEncoder
    #: Of both players (Radford et al. 2016, section 4).
    learning_rate = 2e-4

    def __init__(
        self, encoder: PixelEncoder, processor: PixelProcessor, options: GANOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.size = processor.side
        self.generator = ImageGenerator(
            options.latent, self.size, options.channels, prior="uniform"
        )
        self.head = nn.Sequential(
            nn.Linear(encoder.width, encoder.width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(encoder.width, 1),
        )
        self.head.apply(dcgan_init)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return ``pixels`` (B,3,S,S) as they are, and ``noise`` (B,latent) from the prior."""
        pixels = plain(batch, self.size)
        return {"pixels": pixels, "noise": self.generator.draw(len(pixels), generator)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        # Made anew each time, so that the encoder stands in the state once.
        judge = _Judge(self.encoder, self.head)
        drawn = self.generator(batch["noise"]).float().sigmoid()
        return two_players(
            on_real=judge(batch["pixels"]),
            on_drawn=unmoved(judge, drawn.detach()),
            fooling=held(judge, drawn),
        )

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return drawn pictures (count,3,S,S) in 0..1."""
        return self.generator.sample(count, generator)

    def save_head(self, folder: Path) -> bool:
        """Write what :meth:`ImageGenerator.load` opens."""
        self.generator.save(folder, "gan")
        return True

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return all parameters with Adam's decays as DCGAN has them."""
        return _groups(self, learning_rate, self.options.betas)


class BiGANOptions(GANOptions):
    """Donahue et al. 2017, "Adversarial Feature Learning", with DCGAN's values."""

    latent: int = Field(50, ge=1, description="Size of the vectors it draws from.")
    judge_channels: int = Field(32, ge=4, description="Width of the judge's first layer.")
    judge_width: int = Field(256, ge=1, description="Width in which it sees picture and vector.")


class BiGAN(Objective):
    """The encoder learns the way back from the picture to the vector it would be drawn from.

    The judge sees pairs: a real picture and its encoding, or a vector and what is drawn of it.
    Encoder and generator together make the two kinds of pairs alike (section 3, equation 4; the
    non-saturating form of section 3.5).
    """

    needs = frozenset({"pixels"})
    Options = BiGANOptions
    encoder: PixelEncoder
    #: Of both players (Radford et al. 2016, section 4).
    learning_rate = 2e-4

    def __init__(
        self, encoder: PixelEncoder, processor: PixelProcessor, options: BiGANOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.size = processor.side
        self.generator = ImageGenerator(options.latent, self.size, options.channels)
        # Batch norm gives the codes the mean and deviation of the prior from the first step on;
        # otherwise the judge need not look at the pictures for long.
        self.code = nn.Sequential(
            nn.Linear(encoder.width, options.latent, bias=False),
            nn.BatchNorm1d(options.latent, affine=False),
        )
        self.judge = PairJudge(
            self.size, options.latent, options.judge_channels, options.judge_width
        )

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return ``pixels`` (B,3,S,S) as they are, and ``noise`` (B,latent) from the prior."""
        pixels = plain(batch, self.size)
        return {"pixels": pixels, "noise": self.generator.draw(len(pixels), generator)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        pixels, noise = batch["pixels"], batch["noise"]
        drawn = self.generator(noise).float().sigmoid()
        code = self.code(self.encoder.pool({"pixels": pixels})).float()
        return two_players(
            on_real=self.judge(pixels, code.detach()),
            on_drawn=self.judge(drawn.detach(), noise),
            fooling=held(self.judge, drawn, noise),
            unmasking=held(self.judge, pixels, code),
        )

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return drawn pictures (count,3,S,S) in 0..1."""
        return self.generator.sample(count, generator)

    def save_head(self, folder: Path) -> bool:
        """Write what :meth:`ImageGenerator.load` opens."""
        self.generator.save(folder, "bigan")
        return True

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return all parameters with Adam's decays as DCGAN has them."""
        return _groups(self, learning_rate, self.options.betas)


class PairJudge(nn.Module):
    """Tells (picture, its code) from (drawn picture, its vector).

    It has no batch norm, other than the paper's: seeing whole batches of one kind, it would tell
    them by their statistics, and on small data neither encoder nor generator would learn.
    """

    def __init__(self, side: int, latent: int, channels: int, width: int) -> None:
        super().__init__()
        self.look = Critic(side, width, channels, batch_norm=False)
        self.read = nn.Linear(latent, width)
        self.verdict = nn.Sequential(
            nn.LeakyReLU(SLOPE),
            nn.Linear(2 * width, width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(width, 1),
        )
        self.verdict.apply(dcgan_init)

    def forward(self, pixels: Tensor, vectors: Tensor) -> Tensor:
        """Return a logit (B,1): above 0 for a real picture with its code."""
        return self.verdict(torch.cat([self.look(pixels), self.read(vectors)], 1))


class _Judge(nn.Module):
    def __init__(self, encoder: PixelEncoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, pixels: Tensor) -> Tensor:
        verdict: Tensor = self.head(self.encoder.pool({"pixels": pixels}))
        return verdict


def two_players(
    on_real: Tensor, on_drawn: Tensor, fooling: Tensor, unmasking: Tensor | None = None
) -> dict[str, Tensor]:
    """The sum of both players' losses, from logits that are above 0 for what seems real.

    Args:
        on_real, on_drawn: the judge's, with what the other player made as constants.
        fooling: the judge's of what was drawn, the judge as a constant.
        unmasking: BiGAN's third part: of real pictures with their codes, the judge as a constant.
    """
    real, drawn = on_real.float(), on_drawn.float()
    judging = F.softplus(-real).mean() + F.softplus(drawn).mean()
    making = F.softplus(-fooling.float()).mean()
    if unmasking is not None:
        making = making + F.softplus(unmasking.float()).mean()
    with torch.no_grad():
        right = ((real > 0).float().mean() + (drawn < 0).float().mean()) / 2
    return {"loss": judging + making, "judging": judging, "making": making, "accuracy": right}


def _groups(
    objective: nn.Module, learning_rate: float, betas: tuple[float, float]
) -> list[dict[str, Any]]:
    return [{"params": list(objective.parameters()), "lr": learning_rate, "betas": betas}]
