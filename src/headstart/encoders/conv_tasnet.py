"""Conv-TasNet: a network that divides a mixture of sounds into its sources, sample by sample."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import Encoder, EncoderKind, Features
from headstart.errors import HeadstartError, refused
from headstart.files import write_json
from headstart.modalities import Processor
from headstart.modalities.spectra import real_frames

WEIGHTS, CONFIG = "model.safetensors", "config.json"
#: Samples a second where nothing says more.
RATE = 16_000
_EPSILON = 1e-8


class ConvTasNetOptions(Options):
    """The shape, in the letters of the paper's table I; the defaults suit two cores."""

    outputs: int = Field(
        0,
        ge=0,
        le=8,
        description="Signals that are given; 0: 2 for the objective pit, and 4 for mixit.",
    )
    filters: int = Field(128, ge=8, le=1024, description="Learned filters, N (paper: 512).")
    kernel: int = Field(
        32, ge=4, le=128, description="Samples of a filter, L, even; its step is half (paper: 16)."
    )
    bottleneck: int = Field(64, ge=8, le=512, description="Channels between blocks, B (128).")
    hidden: int = Field(128, ge=8, le=1024, description="Channels within blocks, H (512).")
    layers: int = Field(
        6, ge=1, le=12, description="Blocks of a repeat, X (8); each doubles the dilation."
    )
    repeats: int = Field(2, ge=1, le=6, description="Repeats of these blocks, R (3).")


class GlobalNorm(nn.Module):
    """Layer norm over channels and real frames of each recording (section II-D)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1))

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """Normalise ``x`` (B,C,T), counting where ``real`` (B,1,T) is 1; the rest becomes 0."""
        count = real.sum(2, keepdim=True) * x.shape[1]  # (B,1,1)
        x = x * real
        mean = x.sum((1, 2), keepdim=True) / count
        variance = x.flatten(1).square().sum(1)[:, None, None] / count - mean.square()
        scale = (variance.clamp(min=0) + _EPSILON).rsqrt() * self.weight
        return torch.addcmul(self.bias - mean * scale, x, scale) * real


class Block(nn.Module):
    """A dilated, depthwise-separable convolution with a residual and a skip output (figure 1C)."""

    def __init__(self, channels: int, hidden: int, dilation: int) -> None:
        super().__init__()
        self.widen = nn.Conv1d(channels, hidden, 1)
        self.over_time = nn.Conv1d(
            hidden, hidden, 3, padding=dilation, dilation=dilation, groups=hidden
        )
        self.norms = nn.ModuleList([GlobalNorm(hidden), GlobalNorm(hidden)])
        self.slopes = nn.ModuleList([nn.PReLU(), nn.PReLU()])
        self.narrow = nn.Conv1d(hidden, 2 * channels, 1)

    def forward(self, x: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Return the residual and the skip output (B,C,T) of ``x`` (B,C,T)."""
        y = self.norms[0](self.slopes[0](self.widen(x)), real)
        y = self.norms[1](self.slopes[1](self.over_time(y)), real)
        residual, skip = self.narrow(y).chunk(2, 1)
        return (x + residual) * real, skip


class ConvTasNet(Encoder):
    """Learned filters, masks for each output from dilated convolutions, and filters back.

    Luo & Mesgarani 2019, https://arxiv.org/abs/1809.07454, figure 1, not causal, with global layer
    norm. A mixture is scaled to unit power before, and its outputs back after it. A recording in
    a batch is treated as if it were alone. ``tokens`` (B,T,C) are the sum of the skip outputs,
    ``pooled`` (B,C) is their mean over real frames.

    Args:
        options: the shape; ``outputs`` of 0 is 2.
        rate: samples a second of the waveforms that it reads.
    """

    reads = "waveform"
    provides = frozenset({"voices"})

    def __init__(self, options: ConvTasNetOptions, rate: int) -> None:
        super().__init__()
        if options.kernel % 2:
            raise HeadstartError("encoder.kernel must be even; choose the next number.")
        self.options, self.rate = options, rate
        self.width, self.step = options.bottleneck, options.kernel // 2
        channels = options.bottleneck
        self.filters = nn.Conv1d(1, options.filters, options.kernel, self.step, bias=False)
        self.norm = GlobalNorm(options.filters)
        self.bottleneck = nn.Conv1d(options.filters, channels, 1)
        self.blocks = nn.ModuleList(
            Block(channels, options.hidden, 2**layer)
            for _ in range(options.repeats)
            for layer in range(options.layers)
        )
        self.slope = nn.PReLU()
        self.back = nn.ConvTranspose1d(options.filters, 1, options.kernel, self.step, bias=False)
        outputs = options.outputs or 2
        self.masks = nn.Conv1d(channels, outputs * options.filters, 1)
        self.give(outputs)
        self._begin()

    @property
    def outputs(self) -> int:
        """How many signals it gives."""
        return self.masks.out_channels // self.options.filters

    def give(self, outputs: int) -> None:
        """Give so many signals from here on; the layer of the masks is new if it must change."""
        if outputs * self.options.filters != self.masks.out_channels:
            self.masks = nn.Conv1d(self.width, outputs * self.options.filters, 1)
        self.options = self.options.model_copy(update={"outputs": outputs})

    def separate(self, batch: Batch) -> Tensor:
        """Return the signals (B,M,S) of mixtures, ``waveform`` (B,1,S); 0 behind ``lengths``."""
        waveform, lengths = batch["waveform"].flatten(1), batch["lengths"]
        found, _, coded, loudness = self._context(waveform, lengths)
        masks = self.masks(self.slope(found)).sigmoid()  # (B,M N,T)
        parts = masks.unflatten(1, (self.outputs, -1)) * coded[:, None]
        signals = self.back(parts.flatten(0, 1)).unflatten(0, (-1, self.outputs))[:, :, 0]
        signals = signals[..., self.step : self.step + waveform.shape[1]]
        real = real_frames(lengths, waveform.shape[1])[:, None]
        return signals * loudness[:, None] * real

    def forward(self, batch: Batch) -> Features:
        found, real, _, _ = self._context(batch["waveform"].flatten(1), batch["lengths"])
        tokens, mask = found.transpose(1, 2), real[:, 0] > 0
        pooled = (found * real).sum(2) / real.sum(2)
        return Features(tokens, mask, pooled)

    def layers(self) -> list[nn.Module]:
        """The filters with the bottleneck, then each block."""
        return [nn.ModuleList([self.filters, self.norm, self.bottleneck]), *self.blocks]

    def untrained(self) -> ConvTasNet:
        """Return a network of the same shape, freshly initialised."""
        return ConvTasNet(self.options, self.rate)

    def save(self, folder: Path) -> None:
        """Write the weights and the shape."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
        about = {"network": "conv_tasnet", "rate": self.rate, **self.options.model_dump()}
        write_json(folder / CONFIG, about)

    @classmethod
    def load(cls, folder: str | Path, length: int | None = None) -> ConvTasNet:
        """Open a folder that :meth:`save` wrote; the network takes any length.

        Raises:
            HeadstartError: the files are missing or damaged.
        """
        what = f"the network of recordings in {folder} cannot be read"
        with refused(what, "pre-train it again or name another folder", Exception):
            config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
            shape = {name: config[name] for name in ConvTasNetOptions.model_fields}
            encoder = cls(ConvTasNetOptions(**shape), int(config["rate"]))
            encoder.load_state_dict(load_file(Path(folder) / WEIGHTS))
        return encoder

    @torch.no_grad()
    def _begin(self) -> None:
        """Let the filters begin as orthonormal ones, twice with opposite signs, and their inverse.

        What a rectifier takes of one filter it leaves of its opposite, and the squares of the
        windows overlap to 1: before training every output is a part of the mixture itself, where
        random filters need a hundred steps to give anything like it.
        """
        size, half = self.options.kernel, self.options.filters // 2
        bases = [torch.linalg.qr(torch.randn(size, size))[0] for _ in range(-(-half // size))]
        window = torch.hann_window(size).sqrt()
        rows = torch.cat(bases)[:half] * window
        signed = torch.cat([rows, -rows])[:, None]
        self.filters.weight[: 2 * half] = signed
        self.back.weight[: 2 * half] = signed * min(1.0, size / half)

    def _context(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return skip outputs (B,C,T), real frames (B,1,T), filtered (B,N,T), loudness (B,1)."""
        power = waveform.square().sum(1, keepdim=True) / lengths[:, None]
        loudness = (power + _EPSILON).sqrt()
        frames = -(-lengths // self.step) + 1
        total = -(-waveform.shape[1] // self.step) + 1
        behind = total * self.step - waveform.shape[1]
        padded = F.pad(waveform / loudness, (self.step, behind))[:, None]
        coded = F.relu(self.filters(padded))
        real = real_frames(frames, coded.shape[2])[:, None].to(coded.dtype)
        x = self.bottleneck(self.norm(coded, real)) * real
        skips = torch.zeros_like(x)
        for block in self.blocks:
            x, skip = block(x, real)
            skips = skips + skip
        return skips, real, coded, loudness


def _conv_tasnet(
    options: ConvTasNetOptions, processor: Processor | None, length: int
) -> ConvTasNet:
    return ConvTasNet(options, getattr(processor, "rate", RATE))


CONV_TASNET = EncoderKind(
    "Conv-TasNet: divides a mixture of voices, for the objectives pit and mixit.",
    ConvTasNetOptions,
    _conv_tasnet,
    length=200,
    batch_size=16,
    learning_rate=2e-3,
    reads="waveform",
    provides=ConvTasNet.provides,
    load=ConvTasNet.load,
)
