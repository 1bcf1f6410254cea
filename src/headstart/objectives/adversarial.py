"""Generative adversarial networks: a generator against a discriminator (GAN, BiGAN)."""

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
from headstart.objectives.losses import by_chance, full_precision
from headstart.objectives.patches import plain
from headstart.objectives.players import call_frozen, call_keeping_buffers


class GANOptions(Options):
    """DCGAN's values (Radford et al. 2016, section 3), for a learning rate of 2e-4."""

    latent: int = Field(100, ge=1, description="Size of the vectors it draws from.")
    channels: int = Field(64, ge=4, description="Width of the generator near the picture.")
    betas: tuple[float, float] = Field((0.5, 0.999), description="Adam's moment decays.")


class GAN(Objective):
    """A generator against a discriminator, whose trunk is the encoder.

    Non-saturating loss (Goodfellow et al. 2014, section 3, https://arxiv.org/abs/1406.2661). Both
    players are updated in each step; each treats the other's parameters as constants. The encoder's
    running statistics are those of real images alone.
    """

    family = "generation"
    needs = frozenset({"pixels"})
    Options = GANOptions
    encoder: PixelEncoder
    #: For both players (Radford et al. 2016, section 4).
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
        # Built in each step, so that the state holds the encoder only once.
        discriminator = _Discriminator(self.encoder, self.head)
        drawn = self.generator(batch["noise"]).float().sigmoid()
        return two_players(
            on_real=discriminator(batch["pixels"]),
            on_drawn=call_keeping_buffers(discriminator, drawn.detach()),
            fooling=call_frozen(discriminator, drawn),
        )

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return drawn images (count,3,S,S) in 0..1."""
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
    """The encoder learns to invert the generator: from an image to its latent vector.

    The discriminator sees pairs: a real image with its code, or a generated image with its latent
    vector. Encoder and generator together try to make the two indistinguishable (Donahue et al.
    2017, section 3, equation 4, in the non-saturating form of section 3.5,
    https://arxiv.org/abs/1605.09782).
    """

    family = "generation"
    needs = frozenset({"pixels"})
    Options = BiGANOptions
    encoder: PixelEncoder
    #: For both players (Radford et al. 2016, section 4).
    learning_rate = 2e-4

    def __init__(
        self, encoder: PixelEncoder, processor: PixelProcessor, options: BiGANOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.size = processor.side
        self.generator = ImageGenerator(options.latent, self.size, options.channels)
        # Batch norm gives the codes the prior's mean and deviation from the first step on; without
        # it the discriminator could tell the pairs apart by the codes alone.
        self.code = nn.Sequential(
            nn.Linear(encoder.width, options.latent, bias=False),
            nn.BatchNorm1d(options.latent, affine=False),
        )
        self.discriminator = PairDiscriminator(
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
            on_real=self.discriminator(pixels, code.detach()),
            on_drawn=self.discriminator(drawn.detach(), noise),
            fooling=call_frozen(self.discriminator, drawn, noise),
            unmasking=call_frozen(self.discriminator, pixels, code),
        )

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return drawn images (count,3,S,S) in 0..1."""
        return self.generator.sample(count, generator)

    def save_head(self, folder: Path) -> bool:
        """Write what :meth:`ImageGenerator.load` opens."""
        self.generator.save(folder, "bigan")
        return True

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return all parameters with Adam's decays as DCGAN has them."""
        return _groups(self, learning_rate, self.options.betas)


class PairDiscriminator(nn.Module):
    """Distinguishes (image, its code) from (generated image, its latent vector).

    Unlike the paper's it has no batch norm: it sees whole batches of one kind, would distinguish
    them by their statistics, and on small data neither encoder nor generator would learn.
    """

    def __init__(self, side: int, latent: int, channels: int, width: int) -> None:
        super().__init__()
        self.image_branch = Critic(side, width, channels, batch_norm=False)
        self.vector_branch = nn.Linear(latent, width)
        self.head = nn.Sequential(
            nn.LeakyReLU(SLOPE),
            nn.Linear(2 * width, width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(width, 1),
        )
        self.head.apply(dcgan_init)

    def forward(self, pixels: Tensor, vectors: Tensor) -> Tensor:
        """Return logits (B,1), above 0 for a real image with its code."""
        return self.head(torch.cat([self.image_branch(pixels), self.vector_branch(vectors)], 1))


class _Discriminator(nn.Module):
    def __init__(self, encoder: PixelEncoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder.pool({"pixels": pixels}))  # (B,1)
        return logits


@full_precision
def two_players(
    on_real: Tensor, on_drawn: Tensor, fooling: Tensor, unmasking: Tensor | None = None
) -> dict[str, Tensor]:
    """Return the sum of both players' losses, from logits (B,1) above 0 for what seems real.

    Args:
        on_real, on_drawn: of the discriminator, with the other player's output as a constant.
        fooling: of generated images, with the discriminator as a constant.
        unmasking: BiGAN only: of real images with their codes, with the discriminator as a
            constant.
    """
    judging = F.softplus(-on_real).mean() + F.softplus(on_drawn).mean()
    making = F.softplus(-fooling).mean()
    if unmasking is not None:
        making = making + F.softplus(unmasking).mean()
    with torch.no_grad():
        # A logit of 0 says neither, and is right half the time.
        right = 0.5 + (on_real.sign().mean() - on_drawn.sign().mean()) / 4
    results = {"loss": judging + making, "judging": judging, "making": making, "accuracy": right}
    return by_chance(results, 0.5)


def _groups(
    objective: nn.Module, learning_rate: float, betas: tuple[float, float]
) -> list[dict[str, Any]]:
    return [{"params": list(objective.parameters()), "lr": learning_rate, "betas": betas}]
