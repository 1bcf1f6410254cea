"""Contrastive predictive coding of image patches (CPC).

Van den Oord et al. 2018, section 3.2 (https://arxiv.org/abs/1807.03748); the context network, the
size of the targets and the scale of the scores follow Hénaff et al. 2020 ("CPC v2", appendix A,
https://arxiv.org/abs/1905.09272). Patches on a grid overlap by half; each row of the grid predicts
those below it.
"""

from __future__ import annotations

import torch
import torch.distributed as distributed
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import PixelEncoder
from headstart.errors import HeadstartError
from headstart.modalities import PixelProcessor
from headstart.objectives import Objective
from headstart.objectives.losses import accuracy, by_chance, full_precision, gather
from headstart.objectives.patches import cut, encode, enlarge, side_for


class CPCOptions(Options):
    """The papers' values; their grid of 7 is for images of 224 pixels and more."""

    grid: int = Field(
        0, ge=0, le=15, description="Patches a side; 0: 7 from 128 pixels on, 5 from 64 on, else 3."
    )
    first: int = Field(
        0, ge=0, le=8, description="Nearest row to predict; 0: 2, which shares no pixel, or 1 "
        "where the grid has three rows."
    )  # fmt: skip
    last: int = Field(4, ge=1, le=14, description="Farthest row to predict, where there is one.")
    targets: int = Field(64, ge=1, description="Size of the vectors that are compared.")
    scale: float = Field(0.1, gt=0, description="Factor of the predictions.")
    layers: int = Field(0, ge=0, le=8, description="Of the context; 0: as many as rows, up to 5.")
    hidden: int = Field(256, ge=1, description="Width inside the context's layers.")


class CPC(Objective):
    """From the patches above, identify those below among all patches of the batch.

    Scores are inner products of vectors that are not normalised, as published.
    """

    family = "prediction of what follows"
    needs = frozenset({"pixels"})
    Options = CPCOptions
    encoder: PixelEncoder

    def __init__(
        self, encoder: PixelEncoder, processor: PixelProcessor, options: CPCOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.augment = processor.augment
        size = processor.side
        self.grid = options.grid or (7 if size >= 128 else 5 if size >= 64 else 3)
        first = options.first or (2 if self.grid > 3 else 1)
        self.steps = list(range(first, min(options.last, self.grid - 1) + 1))
        if not self.steps:
            raise HeadstartError(
                f"cpc: a grid of {self.grid} rows has none that lies {first} below another; set a "
                "larger cpc.grid or a smaller cpc.first."
            )
        # n patches that overlap by half span (n + 1) / 2 times the side of one.
        self.patch = max(1, round(2 * size / (self.grid + 1)))
        self.side = side_for(encoder, self.patch)
        self.context = nn.Sequential(
            *(
                AboveLayer(encoder.width, options.hidden)
                for _ in range(options.layers or min(5, self.grid))
            ),
            nn.ReLU(),
        )
        self.target = nn.Linear(encoder.width, options.targets)
        self.predict = nn.ModuleList(nn.Linear(encoder.width, options.targets) for _ in self.steps)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return ``tiles`` (B,n*n,3,s,s): the patches, row by row."""
        pixels = self.augment(batch, generator, "weak")["pixels"]
        spare = pixels.shape[-1] - self.patch
        starts = torch.linspace(0, spare, self.grid, device=pixels.device).round().long()
        tops = starts.repeat_interleave(self.grid).expand(len(pixels), -1)
        lefts = starts.repeat(self.grid).expand(len(pixels), -1)
        return {"tiles": enlarge(cut(pixels, tops, lefts, self.patch), self.side)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        count, n = len(batch["tiles"]), self.grid
        vectors = encode(self.encoder, batch["tiles"])  # (B, n n, D)
        # The context's norm-free stack is sensitive to scale, which differs between encoders.
        vectors = F.layer_norm(vectors, vectors.shape[-1:])
        context = self.context(vectors.transpose(1, 2).unflatten(2, (n, n)))
        context = context.permute(0, 2, 3, 1)  # (B, row, column, D)
        targets = self.target(vectors).flatten(0, 1)  # (B n n, d)
        index = torch.arange(count * n * n, device=targets.device).view(count, n, n)
        sums: dict[str, Tensor] = {}
        for step, predict in zip(self.steps, self.predict, strict=True):
            predicted = predict(context[:, :-step]).flatten(0, 2) * self.options.scale
            results = among_all(predicted, targets, index[:, step:].flatten())
            for name, value in results.items():
                sums[name] = sums.get(name, 0) + value / len(self.steps)
        return sums


class AboveLayer(nn.Module):
    """One residual layer of the context: a position sees its row and the one above, none below."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(width, hidden, 1)
        self.along = nn.Conv2d(hidden, hidden, (1, 3), padding=(0, 1))
        self.down = nn.Conv2d(hidden, hidden, (2, 1))
        self.widen = nn.Conv2d(hidden, width, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B,D,n,n) of the same shape."""
        inner = self.along(self.narrow(maps).relu())
        inner = self.down(F.pad(inner, (0, 0, 1, 0)))  # a row of zeros on top
        return maps + self.widen(inner.relu())


@full_precision
def among_all(predicted: Tensor, targets: Tensor, positive: Tensor) -> dict[str, Tensor]:
    """InfoNCE of predictions (N,d), each of which must identify its target among all (M,d).

    The positive is in the denominator once; all other targets, of the same and of other images and
    of all processes, are negatives. ``positive`` (N,) is the index of each prediction's target.
    """
    every = gather(targets)
    first = distributed.get_rank() * len(targets) if len(every) > len(targets) else 0
    return among(predicted, every, first + positive)


@full_precision
def among(predicted: Tensor, every: Tensor, positive: Tensor) -> dict[str, Tensor]:
    """Return what :func:`among_all` does, for targets (M,d) that were gathered already."""
    logits = predicted @ every.T
    results = {"loss": F.cross_entropy(logits, positive), "accuracy": accuracy(logits, positive)}
    return by_chance(results, 1 / len(every))
