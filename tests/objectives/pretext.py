"""What the tests of single-view pretext tasks share: plain augmentation, and a tiny ViT."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import lesson
import torch
from digits import TRAIN, TinyConv, digits
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch, unit_pixels
from headstart.encoders import Features
from headstart.objectives.masked_images import sincos_positions
from headstart.seeding import generator


class PixelStub:
    """One random view: moved by up to two pixels, and with ``flip`` mirrored by a coin."""

    provides = frozenset({"pixels", "two_views", "multi_crop"})

    def __init__(self, side: int = 16, flip: bool = False) -> None:
        self.side, self.flip = side, flip

    def augment(self, batch: Batch, generator: torch.Generator, kind: str = "weak") -> Batch:
        pixels = unit_pixels(batch["pixels"])
        if kind == "identity":
            return {"pixels": pixels}
        count, side = len(pixels), pixels.shape[-1]
        shift = torch.randint(5, (2, count), generator=generator)
        rows, columns = (shift[i][:, None] + torch.arange(side) for i in range(2))
        mirrored = torch.rand(count, generator=generator) < 0.5 if self.flip else None
        if mirrored is not None:
            columns = torch.where(mirrored[:, None], columns.flip(1), columns)
        padded = F.pad(pixels, (2, 2, 2, 2), mode="replicate")
        image = torch.arange(count)[:, None, None]
        moved = padded[image, :, rows[:, :, None], columns[:, None, :]]
        return {"pixels": moved.permute(0, 3, 1, 2).contiguous()}


class NarrowConv(TinyConv):
    """Three convolutions and few numbers an image: random ones waste them."""

    width = 16

    def __init__(self, seed: int = 0) -> None:
        nn.Module.__init__(self)
        widths, strides = [3, 32, 64, 16], [2, 2, 1]
        layers: list[nn.Module] = []
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for before, after, stride in zip(widths, widths[1:], strides, strict=False):
                layers.append(nn.Conv2d(before, after, 3, stride, 1, bias=False))
                layers += [nn.BatchNorm2d(after), nn.ReLU()]
        self.network = nn.Sequential(*layers)


class TinyViT(nn.Module):
    """Patches of 4 pixels through two blocks; patches can be dropped before them."""

    provides = frozenset({"grid", "patches"})
    patch_size = 4

    def __init__(self, width: int = 64, side: int = 16, layers: int = 2, seed: int = 0) -> None:
        super().__init__()
        self.width = width
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.patches = nn.Conv2d(3, width, self.patch_size, self.patch_size)
            self.indices = nn.Parameter(sincos_positions(side // self.patch_size, width))
            self.blocks = nn.ModuleList(
                nn.TransformerEncoderLayer(
                    width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True
                )
                for _ in range(layers)
            )
            self.norm = nn.LayerNorm(width)

    def embed(self, batch: Batch) -> Tensor:
        pixels = unit_pixels(batch["pixels"]) - 0.5
        return self.patches(pixels).flatten(2).transpose(1, 2)

    def contextualize(
        self, tokens: Tensor, visibility: Tensor | None, positions: Tensor | None = None
    ) -> Tensor:
        assert visibility is None
        tokens = tokens + (self.indices if positions is None else self.indices[positions])
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def forward(self, batch: Batch) -> Features:
        tokens = self.contextualize(self.embed(batch), None)
        return Features(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool), tokens.mean(1))

    def pool(self, batch: Batch) -> Tensor:
        return self.forward(batch).pooled


def build(kind: Any, encoder: Any = None, seed: int = 0, size: int = 16, **options: Any) -> Any:
    """Return an objective of a class on a fresh network; its heads are drawn from ``seed``."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        processor = PixelStub(size)
        return kind(encoder or TinyConv(), processor, kind.Options(**options))


@cache
def images(size: int) -> Tensor:
    """Return the digits as pixels (1797,3,size,size) uint8."""
    pixels = digits()[0].float()
    return F.interpolate(pixels, (size, size), mode="bilinear").round().to(torch.uint8)


def teach(objective: Any, steps: int, *, size: int = 16, rows: int = 64, rate: float = 3e-3) -> Any:
    """Train on the first 1,200 digits as the library does, and return the scalars by step."""
    pixels = images(size)[:TRAIN]

    def batch(step: int) -> Batch:
        return {
            "pixels": pixels[torch.randint(TRAIN, (rows,), generator=generator(0, "rows", step))]
        }

    def factor(step: int) -> float:
        return min(1.0, 2 * (1 - step / steps))

    return lesson.teach(objective, batch, steps, rate, factor, weight_decay=1e-4)


def neighbours(encoder: Any, size: int = 16) -> float:
    """Return the accuracy of five nearest neighbours by cosine on the last 597 digits."""
    encoder.eval()
    with torch.no_grad():
        features = encoder.pool({"pixels": images(size)}).numpy()
    labels = digits()[1]
    nearest = KNeighborsClassifier(5, metric="cosine").fit(features[:TRAIN], labels[:TRAIN])
    return float(nearest.score(features[TRAIN:], labels[TRAIN:]))


def without_gradient(objective: Any, size: int = 16) -> list[str]:
    """Return the names of the parameters that one batch gives no gradient."""
    return lesson.without_gradient(objective, {"pixels": images(size)[:32]})


def pure(objective: Any, size: int = 16, rows: int = 8) -> None:
    """Assert that corruption is a function of batch and generator, and spares the batch."""
    one = lesson.pure(objective, {"pixels": images(size)[:rows].clone()})
    assert all(len(tensor) % rows == 0 for tensor in one.values())


same_gradients = partial(lesson.same_gradients, atol=1e-5)
