"""Small convolutional networks around an encoder: generators, decoders, critics (DCGAN's forms).

Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional GANs", section 3:
strided convolutions, batch norm, ReLU in what draws and LeakyReLU 0.2 in what judges, N(0, 0.02).
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.encoders import PixelEncoder
from headstart.files import write_json

SLOPE = 0.2
#: Maps of fewer than this many pixels a side are written by a linear layer at once.
_SMALLEST_MAP = 4


class ImageGenerator(nn.Module):
    """From vectors to pictures: a linear layer to a small map, then doubled until it is a picture.

    Args:
        latent: size of the vectors.
        side: pixels a side of the pictures.
        channels: of the last map but the picture; each map before has twice as many, up to eight
            times.
        prior: where :meth:`sample` draws from: ``"normal"``, or ``"uniform"`` in -1..1.
    """

    def __init__(self, latent: int, side: int, channels: int = 64, prior: str = "normal") -> None:
        super().__init__()
        self.latent, self.side, self.channels, self.prior = latent, side, channels, prior
        doublings = 0
        while -(-side // 2 ** (doublings + 1)) >= _SMALLEST_MAP:
            doublings += 1
        self.base = -(-side // 2**doublings)
        widths = [channels * min(8, 2**k) for k in reversed(range(max(doublings, 1)))]
        self.start = nn.Linear(latent, widths[0] * self.base**2, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for before, after in pairwise(widths):
            layers += _doubling(before, after)
        layers.append(
            nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1)
            if doublings
            else nn.Conv2d(widths[-1], 3, 3, padding=1)
        )
        self.maps = nn.Sequential(*layers)
        self.apply(dcgan_init)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return logits (N,3,side,side) of vectors (N,latent); their sigmoid is the picture."""
        drawn = self.maps(self.start(vectors).unflatten(1, (-1, self.base, self.base)))
        spare = drawn.shape[-1] - self.side
        inner = slice(spare // 2, spare // 2 + self.side)
        return drawn[..., inner, inner]

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return vectors (count,latent) from the prior, on the generator's device."""
        size, device = (count, self.latent), generator.device
        if self.prior == "normal":
            return torch.randn(size, generator=generator, device=device)
        return torch.rand(size, generator=generator, device=device) * 2 - 1

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return pictures (count,3,side,side) in 0..1, drawn with the running statistics."""
        training = self.training
        self.eval()
        with torch.no_grad():
            vectors = self.draw(count, generator).to(self.start.weight.device)
            images = self(vectors).float().sigmoid()
        self.train(training)
        return images

    def save(self, folder: Path, objective: str) -> None:
        """Write ``head.safetensors`` and ``head.json``, from which :meth:`load` draws again."""
        weights = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(weights, folder / "head.safetensors")
        shape = {name: getattr(self, name) for name in ("latent", "side", "channels", "prior")}
        described = {"objective": objective, "generates": "images", "generator": shape}
        write_json(folder / "head.json", described)

    @classmethod
    def load(cls, folder: Path) -> ImageGenerator:
        """Open what :meth:`save` wrote, ready to :meth:`sample`."""
        described = json.loads((folder / "head.json").read_text(encoding="utf-8"))
        generator = cls(**described["generator"])
        generator.load_state_dict(load_file(folder / "head.safetensors"))
        return generator.eval()


class GridDecoder(nn.Module):
    """From an encoder's grid of vectors to a map of another side, doubled until it is as large.

    Args:
        width: D of the vectors.
        grid: vectors a side.
        side: pixels a side of the map that is returned.
        out: channels of the map that is returned.
        channels: of the first map; each doubling halves them, down to 32.
        across: first let each channel look across the whole grid (Pathak et al. 2016, section 3.1,
            the channel-wise fully-connected layer).
    """

    def __init__(
        self, width: int, grid: int, side: int, out: int, channels: int, *, across: bool = False
    ) -> None:
        super().__init__()
        self.grid, self.side = grid, side
        layers: list[nn.Module] = [nn.Conv2d(width, channels, 1, bias=False)]
        if across:
            layers.append(ChannelwiseLinear(channels, grid))
        layers += [nn.BatchNorm2d(channels), nn.ReLU()]
        reached = grid
        while reached * 2 <= side:
            after = max(channels // 2, min(channels, 32))
            layers += _doubling(channels, after)
            channels, reached = after, reached * 2
        layers.append(nn.Conv2d(channels, out, 3, padding=1))
        self.maps = nn.Sequential(*layers)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return a map (B,out,side,side) of vectors (B,grid*grid,D)."""
        drawn: Tensor = self.maps(tokens.transpose(1, 2).unflatten(2, (self.grid, self.grid)))
        if drawn.shape[-1] == self.side:
            return drawn
        return F.interpolate(drawn, size=(self.side, self.side), mode="bilinear")


class ChannelwiseLinear(nn.Module):
    """A fully-connected layer of its own for each channel of (B,channels,grid,grid)."""

    def __init__(self, channels: int, grid: int) -> None:
        super().__init__()
        indices = grid * grid
        self.weight = nn.Parameter(torch.randn(channels, indices, indices) * indices**-0.5)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape, each place a mix of all of its channel."""
        return torch.einsum("bcp,cpq->bcq", maps.flatten(2), self.weight).view_as(maps)


class Critic(nn.Module):
    """DCGAN's judge of pictures (B,3,side,side): halved until small, then one linear layer.

    Args:
        out: numbers it returns a picture: 1 for a verdict, more for features.
        batch_norm: as in DCGAN, which shows it batches that are real or drawn as a whole.
    """

    def __init__(
        self, side: int, out: int = 1, channels: int = 64, *, batch_norm: bool = True
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, after = 3, channels
        while side >= 2 * _SMALLEST_MAP:
            normed = batch_norm and bool(layers)  # the first layer has none (section 3)
            layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=not normed))
            if normed:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(SLOPE))
            before, after, side = after, min(2 * after, 8 * channels), side // 2
        self.maps = nn.Sequential(*layers)
        self.verdict = nn.Linear(before * side**2, out)
        self.apply(dcgan_init)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (B,out); pixels are in 0..1."""
        return self.verdict(self.maps(pixels * 2 - 1).flatten(1))


def grid_side(encoder: PixelEncoder, size: int) -> int:
    """Return how many vectors a side an encoder gives of pictures of ``size``, by asking it."""
    modes = {module: module.training for module in encoder.modules()}
    encoder.eval()
    with torch.no_grad():
        blank = torch.zeros(1, 3, size, size, device=next(encoder.parameters()).device)
        indices = encoder({"pixels": blank}).tokens.shape[1]
    for module, training in modes.items():
        module.training = training
    return round(indices**0.5)


def dcgan_init(module: nn.Module) -> None:
    """Set weights as DCGAN does: N(0, 0.02), and N(1, 0.02) in batch norm; biases 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def _doubling(before: int, after: int) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    ]
