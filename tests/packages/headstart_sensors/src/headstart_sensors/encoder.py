"""A small convolutional network of series."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import Encoder, EncoderKind, Features
from headstart.files import write_json
from headstart.modalities import Processor

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class SeriesConvOptions(Options):
    """The shape of the network."""

    width: int = Field(64, ge=8, le=1024, description="Size of the vectors.")


class SeriesConv(Encoder):
    """Three convolutions; a vector a step of four readings, and their mean for the whole series."""

    reads = "series"
    provides = frozenset({"steps"})
    #: Readings that one vector stands for.
    step = 4

    def __init__(self, options: SeriesConvOptions) -> None:
        super().__init__()
        self.options, self.width = options, options.width
        self.parts = nn.Sequential(
            _part(1, self.width // 2, kernel=7, stride=2),
            _part(self.width // 2, self.width, kernel=5, stride=2),
            _part(self.width, self.width, kernel=5, stride=1),
        )

    def forward(self, batch: Batch) -> Features:
        tokens = self.parts(batch["series"]).transpose(1, 2)  # (B,T/4,D)
        real = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        return Features(tokens, real, tokens.mean(1))

    def pool(self, batch: Batch) -> Tensor:
        """Return ``forward(batch).pooled`` (B,D)."""
        pooled: Tensor = self.parts(batch["series"]).mean(2)
        return pooled

    def layers(self) -> list[nn.Module]:
        """The convolutions, each with what follows it."""
        return list(self.parts)

    def untrained(self) -> SeriesConv:
        """Return a network of the same shape, freshly initialised."""
        return SeriesConv(self.options)

    def save(self, folder: Path) -> None:
        """Write the weights and the shape."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), folder / WEIGHTS)
        write_json(folder / CONFIG, {"network": "series_conv", **self.options.model_dump()})

    @classmethod
    def load(cls, folder: str | Path, length: int | None = None) -> SeriesConv:
        """Open a folder that :meth:`save` wrote; the network takes any length."""
        config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
        encoder = cls(SeriesConvOptions(width=config["width"]))
        encoder.load_state_dict(load_file(Path(folder) / WEIGHTS))
        return encoder


def _part(before: int, after: int, *, kernel: int, stride: int) -> nn.Module:
    convolution = nn.Conv1d(before, after, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm1d(after), nn.ReLU())


def _create(options: SeriesConvOptions, processor: Processor, length: int) -> SeriesConv:
    return SeriesConv(options)


SERIES_CONV = EncoderKind(
    "Small convolutional network of series.",
    SeriesConvOptions,
    _create,
    length=128,
    batch_size=128,
    learning_rate=1e-3,
    reads=SeriesConv.reads,
    provides=SeriesConv.provides,
    load=SeriesConv.load,
)
