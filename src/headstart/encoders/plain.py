"""A plain stack of convolutions: trains fastest on images of 32 pixels and two cores."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from pydantic import Field, model_validator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import EncoderKind, Features, PixelEncoder
from headstart.encoders.images import ImageInput, full_mask, grid_tokens, try_out
from headstart.encoders.maps import one_per_size
from headstart.encoders.wide_conv import WideConv
from headstart.errors import HeadstartError, refused
from headstart.files import write_json
from headstart.modalities import Processor

WEIGHTS = "model.safetensors"

#: Written beside the weights: neither timm nor Transformers has a network like this.
README = """\
A plain convolutional network. These lines open it with PyTorch alone:

    import json, torch
    from safetensors.torch import load_file

    config = json.load(open("config.json"))
    parts, channels = [], 3
    for width, pooled in zip(config["widths"], config["pooled"]):
        parts.append(torch.nn.Conv2d(channels, width, 3, padding=1, bias=False))
        parts += [torch.nn.MaxPool2d(2)] * pooled
        parts += [torch.nn.BatchNorm2d(width), torch.nn.ReLU()]
        channels = width
    model = torch.nn.Sequential(*parts)
    model.load_state_dict(load_file("model.safetensors"))

It takes pixels in 0..1 normalised with `mean` and `std` of the configuration, and gives maps; a
picture's vector is the mean of its map, `model(x).mean((2, 3))`.
"""


class PlainOptions(Options):
    """The shape of the stack; every convolution is 3x3, followed by batch norm and ReLU."""

    widths: tuple[int, ...] = Field(
        (32, 64, 128, 128, 256, 256), min_length=1, description="Channels of each convolution."
    )
    pooled: tuple[bool, ...] = Field(
        (True, False, True, False, True, False),
        description="Whether each convolution's map is halved by max-pooling.",
    )

    @model_validator(mode="after")
    def _matching(self) -> PlainOptions:
        if len(self.widths) != len(self.pooled) or min(self.widths) < 1:
            raise HeadstartError(
                "encoder.widths and encoder.pooled must say as much for each convolution; give "
                "lists of the same length, of positive numbers and of true or false."
            )
        return self


class PlainEncoder(PixelEncoder):
    """A stack of convolutions without shortcuts; ``pooled`` is the mean of the last map.

    Max-pooling comes before batch norm and ReLU, which then cost a quarter; the output differs in
    training only, by the batch statistics.

    Args:
        options: the shape.
        size: pixels per side of the images it is built for.
        mean, std: of each channel, for images in 0..1.
    """

    provides = frozenset({"grid", "maps"})

    def __init__(
        self,
        options: PlainOptions,
        size: int,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
    ) -> None:
        super().__init__()
        self.options, self.size, self.width = options, size, options.widths[-1]
        self.input = ImageInput(mean, std, channels_last=True)
        self.model = nn.Sequential(*_parts(options)).to(memory_format=torch.channels_last)
        try_out(self.model, "plain", size, lambda x: (grid_tokens(self.model(self.input(x))),))

    def forward(self, batch: Batch) -> Features:
        tokens = grid_tokens(self.model(self.input(batch["pixels"])))
        return Features(tokens, full_mask(tokens), tokens.float().mean(1))

    def pool(self, batch: Batch) -> Tensor:
        """Return ``forward(batch).pooled`` (B,D)."""
        return self.model(self.input(batch["pixels"])).float().mean((2, 3))

    def maps(self, pixels: Tensor) -> list[Tensor]:
        x, found = self.input.native(pixels), []
        for layer in self.layers():
            x = layer(x)
            found.append(x)
        return one_per_size(found)

    def layers(self) -> list[nn.Module]:
        """Each convolution with the layers up to the next one."""
        starts = [i for i, part in enumerate(self.model) if isinstance(part, nn.Conv2d)]
        ends = [*starts[1:], len(self.model)]
        return [self.model[start:end] for start, end in zip(starts, ends, strict=True)]

    def untrained(self) -> PlainEncoder:
        """Return a network of the same shape, freshly initialised."""
        return PlainEncoder(self.options, self.size, *self._normal())

    def smaller(self) -> Iterator[tuple[str, PlainEncoder]]:
        """Yield stacks with half and three eighths of the channels, whose vectors are as wide."""
        for words, share in (("half", 0.5), ("three eighths", 0.375)):
            widths = [max(4, round(width * share / 4) * 4) for width in self.options.widths[:-1]]
            if any(new < old for new, old in zip(widths, self.options.widths, strict=False)):
                yield f"{words} of the channels", self._with_channels([*widths, self.width])

    @torch.no_grad()
    def _with_channels(self, widths: list[int]) -> PlainEncoder:
        """Return a stack with the channels of large weights: batch norm's, and what follows."""
        options = PlainOptions(widths=tuple(widths), pooled=self.options.pooled)
        made = PlainEncoder(options, self.size, *self._normal())
        convs, norms = (
            [[part for part in net.model if isinstance(part, kind)] for net in (self, made)]
            for kind in (nn.Conv2d, nn.BatchNorm2d)
        )
        before = torch.arange(3)
        for index, width in enumerate(widths):
            old, norm = convs[0][index], norms[0][index]
            kept = torch.arange(self.options.widths[index])
            if index + 1 < len(widths):
                after = convs[0][index + 1].weight.square().sum((0, 2, 3)).sqrt()
                kept = (norm.weight.abs() * after).topk(min(width, len(kept))).indices.sort().values
            convs[1][index].weight.copy_(old.weight[kept][:, before])
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(norms[1][index], name).copy_(getattr(norm, name)[kept])
            before = kept
        return made

    def save(self, folder: Path) -> None:
        """Write the weights, the shape, and a README that opens them with PyTorch alone."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in self.model.state_dict().items()}
        save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
        mean, std = self._normal()
        about = {"network": "plain", "size": self.size, "mean": mean, "std": std}
        write_json(folder / "config.json", {**about, **self.options.model_dump()})
        (folder / "README.md").write_text(README, encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, size: int | None = None) -> PlainEncoder:
        """Open a folder that :meth:`save` wrote.

        Raises:
            HeadstartError: the files are missing or damaged.
        """
        what = f"the plain network in {folder} cannot be read"
        with refused(what, "pre-train it again or name another folder", Exception):
            config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
            options = PlainOptions(widths=config["widths"], pooled=config["pooled"])
            encoder = cls(options, size or config["size"], config["mean"], config["std"])
            encoder.model.load_state_dict(load_file(Path(folder) / WEIGHTS))
        return encoder

    def _normal(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        mean, std = (
            tuple(round(value, 6) for value in part.float().flatten().tolist())
            for part in (self.input.mean, self.input.std)
        )
        return mean, std


def _parts(options: PlainOptions) -> list[nn.Module]:
    parts: list[nn.Module] = []
    channels = 3
    for width, pooled in zip(options.widths, options.pooled, strict=True):
        parts.append(WideConv(channels, width, 3, padding=1, bias=False))
        parts += [nn.MaxPool2d(2)] * pooled
        parts += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        channels = width
    return parts


def _plain(options: PlainOptions, processor: Processor, length: int) -> PlainEncoder:
    return PlainEncoder(options, length)


PLAIN = EncoderKind(
    "Plain stack of convolutions: the fastest learner on small pictures.",
    PlainOptions,
    _plain,
    length=64,
    batch_size=256,
    learning_rate=2e-3,
    reads="pixels",
    provides=PlainEncoder.provides,
    load=PlainEncoder.load,
    optimizer={"name": "muon", "muon_learning_rate": 4e-3},
)
