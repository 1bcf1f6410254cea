"""Small real images, a processor with plain views, and a tiny network that learns in seconds."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch, unit_pixels
from headstart.encoders import Features
from headstart.modalities.image.processor import ImageProcessor
from headstart.seeding import generator

TRAIN = 1200


@cache
def digits() -> tuple[Tensor, np.ndarray]:
    """Return 1,797 handwritten digits as pixels (N,3,16,16) uint8, and their labels (N,)."""
    # Imported here: processes that tests start import this module too, and wait for scikit-learn.
    from sklearn.datasets import load_digits

    data = load_digits()
    small = torch.from_numpy(data.images).float()[:, None] * (255 / 16)
    large = F.interpolate(small, (16, 16), mode="bilinear").round().to(torch.uint8)
    return large.expand(-1, 3, -1, -1).contiguous(), data.target


class TinyConv(nn.Module):
    """Three convolutions with batch norm and a mean over the grid: 64 numbers an image."""

    width = 64
    reads = "pixels"
    provides = frozenset({"grid"})
    patch_size = 16
    joined: ClassVar[dict[str, Any]] = {}

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.network = nn.Sequential(
                nn.Conv2d(3, 16, 3, 2, 1, bias=False),
                nn.BatchNorm2d(16),
                nn.ReLU(),
                nn.Conv2d(16, 32, 3, 2, 1, bias=False),
                nn.BatchNorm2d(32),
                nn.ReLU(),
                nn.Conv2d(32, 64, 3, 1, 1, bias=False),
                nn.BatchNorm2d(64),
                nn.ReLU(),
            )

    def forward(self, batch: Batch) -> Features:
        grid = self.network(unit_pixels(batch["pixels"]) - 0.5)
        tokens = grid.flatten(2).transpose(1, 2)
        return Features(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool), tokens.mean(1))

    def pool(self, batch: Batch) -> Tensor:
        return self.forward(batch).pooled


class DigitsProcessor:
    """Views are random crops, brought back to size, with another contrast and some noise."""

    gives = "pixels"
    vocabulary = None
    adapt = ImageProcessor.adapt
    provides = frozenset({"pixels", "two_views", "multi_crop"})

    def views(
        self, batch: Batch, generator: torch.Generator, kind: str, *, local: int = 0
    ) -> tuple[Batch, ...]:
        pixels = unit_pixels(batch["pixels"])
        if kind == "identity":
            return {"pixels": pixels}, {"pixels": pixels}
        large = [_crop(pixels, 16, 0.5, 1.0, generator) for _ in range(2)]
        small = [_crop(pixels, 8, 0.2, 0.5, generator) for _ in range(local)]
        return tuple({"pixels": view} for view in large + small)


def _crop(
    pixels: Tensor, side: int, least: float, most: float, generator: torch.Generator
) -> Tensor:
    count = len(pixels)
    draw = torch.rand(5, count, generator=generator)
    share = (least + (most - least) * draw[0]).sqrt()
    frame = torch.zeros(count, 2, 3)
    frame[:, 0, 0] = frame[:, 1, 1] = share
    frame[:, 0, 2], frame[:, 1, 2] = ((2 * draw[i] - 1) * (1 - share) for i in (1, 2))
    grid = F.affine_grid(frame, [count, 3, side, side], align_corners=False)
    view = F.grid_sample(pixels, grid, align_corners=False)
    view = view * (0.5 + draw[3])[:, None, None, None] + 0.4 * (draw[4] - 0.5)[:, None, None, None]
    noise = torch.randn(view.shape, generator=generator)
    return (view + 0.1 * noise).clamp(0, 1)


def make_batch(rows: int = 8) -> Batch:
    """Return the first digits as a batch of bytes."""
    return {"pixels": digits()[0][:rows]}


def build(kind: Any, seed: int = 0, encoder: Any = None, **options: Any) -> Any:
    """Return an objective of a class on a fresh network; its heads are drawn from ``seed``."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind(encoder or TinyConv(), DigitsProcessor(), kind.Options(**options))


def teach(
    objective: Any, steps: int, rows: int = 128, rate: float = 3e-3, seed: int = 0
) -> list[dict[str, float]]:
    """Train on the first 1,200 digits as the library does, and return the scalars of each step."""
    pixels = digits()[0][:TRAIN]
    moving = [p for p in objective.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(moving, rate, weight_decay=1e-4)
    objective.train()
    history = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1 - step / steps, 10 * (step + 1) / steps)
            indices = torch.randint(TRAIN, (rows,), generator=generator(seed, "rows", step))
            batch = {"pixels": pixels[indices]}
            scalars = objective(objective.corrupt(batch, generator(seed, "corrupt", step)))
            optimizer.zero_grad()
            scalars["loss"].backward()
            nn.utils.clip_grad_norm_(moving, 1.0)
            optimizer.step()
            objective.after_step((step + 1) / steps)
            history.append({name: value.item() for name, value in scalars.items()})
    return history


@torch.no_grad()
def vectors(encoder: Any) -> np.ndarray:
    """Return the pooled vectors (N,D) of all digits, batch norms at rest."""
    encoder.eval()
    return encoder.pool({"pixels": digits()[0]}).numpy()


def score(encoder: Any) -> float:
    """Return the accuracy of a probe with ten labels a class on the last 597 digits."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    features, labels = vectors(encoder), digits()[1]
    few = np.concatenate([np.flatnonzero(labels[:TRAIN] == digit)[:10] for digit in range(10)])
    scaler = StandardScaler().fit(features[few])
    probe = LogisticRegression(C=0.1, max_iter=300).fit(
        scaler.transform(features[few]), labels[few]
    )
    return probe.score(scaler.transform(features[TRAIN:]), labels[TRAIN:])
