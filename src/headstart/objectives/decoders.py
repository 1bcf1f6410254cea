"""Small convolutional networks around an encoder: generator, decoder and critic, after DCGAN.

Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional GANs", section 3:
strided convolutions, batch norm, ReLU in generators and LeakyReLU 0.2 in discriminators, weights
from N(0, 0.02); https://arxiv.org/abs/1511.06434.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.encoders import PixelEncoder
from headstart.files import write_json
from headstart.stored import opening, read_json, read_tensors

SLOPE = 0.2
#: Side below which a feature map comes from the linear layer directly.
_SMALLEST_MAP = 4


class ImageGenerator(nn.Module):
    """From vectors to images: a linear layer to a small map, then upsampling by two.

    Args:
        latent: size of the vectors.
        side: pixels per side of the images.
        channels: of the last hidden map; each earlier map has twice as many, up to eight times.
        prior: distribution that :meth:`sample` draws from: ``"normal"``, or ``"uniform"`` in -1..1.
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
        """Return logits (N,3,side,side) for vectors (N,latent); their sigmoid is the image."""
        grid = self.start(vectors).unflatten(1, (-1, self.base, self.base))  # (N,C,base,base)
        drawn = self.maps(grid)
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
        """Return generated images (count,3,side,side) in 0..1, in evaluation mode."""
        training = self.training
        self.eval()
        with torch.no_grad():
            vectors = self.draw(count, generator).to(self.start.weight.device)
            images = self(vectors).float().sigmoid()
        self.train(training)
        return images

    def save(self, folder: Path, objective: str) -> None:
        """Write ``head.safetensors`` and ``head.json``, which :meth:`load` reads."""
        weights = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(weights, folder / "head.safetensors")
        shape = {name: getattr(self, name) for name in ("latent", "side", "channels", "prior")}
        described = {"objective": objective, "generates": "images", "generator": shape}
        write_json(folder / "head.json", described)

    @classmethod
    def load(cls, folder: Path) -> ImageGenerator:
        """Open what :meth:`save` wrote, ready to :meth:`sample`."""
        described = read_json(folder / "head.json", generator=dict)
        weights = read_tensors(folder / "head.safetensors")
        with opening(folder):
            generator = cls(**described["generator"])
            generator.load_state_dict(weights)
        return generator.eval()


class GridDecoder(nn.Module):
    """From an encoder's grid of vectors to a map of another size, by upsampling.

    Args:
        width: D of the vectors.
        grid: vectors per side.
        side: pixels per side of the returned map.
        out: channels of the returned map.
        channels: of the first map; each doubling halves them, down to 32.
        across: begin with a channel-wise fully-connected layer (Pathak et al. 2016, section 3.1).
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
        """Return a map (B,out,side,side) for vectors (B,grid*grid,D)."""
        drawn: Tensor = self.maps(tokens.transpose(1, 2).unflatten(2, (self.grid, self.grid)))
        if drawn.shape[-1] == self.side:
            return drawn
        return F.interpolate(drawn, size=(self.side, self.side), mode="bilinear")


class ChannelwiseLinear(nn.Module):
    """A separate fully-connected layer for each channel of (B,channels,grid,grid)."""

    def __init__(self, channels: int, grid: int) -> None:
        super().__init__()
        count = grid * grid
        self.weight = nn.Parameter(torch.randn(channels, count, count) * count**-0.5)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape; each position mixes all positions of its channel."""
        return torch.einsum("bcp,cpq->bcq", maps.flatten(2), self.weight).view_as(maps)


class Critic(nn.Module):
    """DCGAN's discriminator of images (B,3,side,side): strided convolutions and a linear layer.

    Args:
        out: outputs per image: 1 for a logit, more for features.
        batch_norm: as in DCGAN, which feeds it batches that are all real or all generated.
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
        self.head = nn.Linear(before * side**2, out)
        self.apply(dcgan_init)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (B,out); pixels are in 0..1."""
        return self.head(self.maps(pixels * 2 - 1).flatten(1))


def grid_side(encoder: PixelEncoder, size: int) -> int:
    """Return how many vectors per side an encoder yields for images of ``size``, by running it."""
    modes = {module: module.training for module in encoder.modules()}
    encoder.eval()
    with torch.no_grad():
        blank = torch.zeros(1, 3, size, size, device=next(encoder.parameters()).device)
        count = encoder({"pixels": blank}).tokens.shape[1]
    for module, training in modes.items():
        module.training = training
    return round(count**0.5)


def dcgan_init(module: nn.Module) -> None:
    """Initialise as DCGAN: weights N(0, 0.02), in batch norm N(1, 0.02); biases 0."""
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
