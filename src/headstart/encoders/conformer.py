"""A small conformer on log-mel spectrograms: attention for the whole, convolution for the near.

Gulati et al. 2020, "Conformer: Convolution-augmented transformer for speech recognition",
https://arxiv.org/abs/2005.08100: half a feed-forward layer, attention, a convolution module, and
the other half. Two convolutions before the blocks halve the time once; the paper's quarter leaves
too few frames of a short recording.
"""

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
from headstart.encoders import EncoderKind, Features, check_heads
from headstart.encoders.mel_conv import RATE
from headstart.encoders.recordings import FrameEncoder
from headstart.errors import HeadstartError, refused
from headstart.files import write_json
from headstart.modalities import Processor
from headstart.modalities.spectra import frames_of, log_mel, on_grid, real_frames, step_of

WEIGHTS, CONFIG = "model.safetensors", "config.json"
#: Frames of the spectrogram that one vector stands for.
HALVED = 2


class ConformerOptions(Options):
    """A small conformer; the paper's S is 144 wide with 16 blocks and 80 bands."""

    bands: int = Field(40, ge=8, le=128, description="Bands of the mel scale.")
    width: int = Field(128, ge=8, le=2048, description="Size of the vectors.")
    layers: int = Field(3, ge=1, le=48, description="Blocks.")
    heads: int = Field(4, ge=1, description="Attention heads; they divide the width.")
    kernel: int = Field(9, ge=3, le=63, description="Frames of the convolution in a block; odd.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout in every block.")
    cells: int = Field(
        8, ge=1, le=64, description="Equal parts of the time whose means are the vector."
    )


class ConvolutionModule(nn.Module):
    """Gate, a convolution of each channel over time, and a projection (figure 2).

    Layer norm stands for the paper's batch norm, so that a record in a batch is as if alone.
    """

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.inner = nn.LayerNorm(width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """Return (B,T,D) of vectors (B,T,D), with silence where not ``real`` (B,T)."""
        x = F.glu(self.gate(self.norm(x)), 2) * real[:, :, None]
        x = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        found: Tensor = self.dropout(self.out(F.silu(self.inner(x))))
        return found


def _feed_forward(width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, 4 * width),
        nn.SiLU(),
        nn.Dropout(dropout),
        nn.Linear(4 * width, width),
        nn.Dropout(dropout),
    )


class Block(nn.Module):
    """One block of a conformer (section 2.4)."""

    def __init__(self, width: int, heads: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.before, self.after = (_feed_forward(width, dropout) for _ in range(2))
        self.norm, self.attend = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.out, self.dropout = nn.Linear(width, width), nn.Dropout(dropout)
        self.convolution = ConvolutionModule(width, kernel, dropout)
        self.last = nn.LayerNorm(width)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """Return (B,T,D) of vectors (B,T,D); none looks at those that are not ``real`` (B,T)."""
        x = x + self.before(x) / 2
        parts = self.attend(self.norm(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = parts.unbind()
        found = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=real[:, None, None],
            dropout_p=self.rate if self.training else 0.0,
        )
        x = x + self.dropout(self.out(found.transpose(1, 2).flatten(2)))
        x = x + self.convolution(x, real)
        normed: Tensor = self.last(x + self.after(x) / 2)
        return normed


class Conformer(FrameEncoder):
    """Conformer blocks on log-mel spectrograms; a record in a batch is as if alone.

    ``tokens`` are the last block's frames (B,T,D); ``pooled`` (B,cells x D) are their means in
    equal parts of each record's time. Positions are those of the convolutions, whose padding marks
    both ends, in place of the paper's relative ones.

    Args:
        options: the shape.
        rate: samples a second of the waveforms that it reads.
    """

    def __init__(self, options: ConformerOptions, rate: int) -> None:
        super().__init__()
        check_heads(options.width, options.heads)
        if options.kernel % 2 == 0:
            raise HeadstartError("encoder.kernel must be odd; choose the next number.")
        self.options, self.rate = options, rate
        self.step = HALVED * step_of(rate)
        self.latent_width = self.frame_width = self.channels = options.width
        self.width = options.cells * options.width
        self.first = nn.Conv1d(options.bands, options.width, 3, padding=1)
        self.halve = nn.Conv1d(options.width, options.width, HALVED, HALVED)
        self.norm = nn.LayerNorm(options.width)
        self.entry = nn.Linear(options.width, options.width)
        self.blocks = nn.ModuleList(
            Block(options.width, options.heads, options.kernel, options.dropout)
            for _ in range(options.layers)
        )

    @property
    def provides(self) -> frozenset[str]:
        """Capabilities: ``frames``, and ``dropout`` where it has any."""
        return frozenset({"frames", "dropout"} if self.options.dropout else {"frames"})

    def frames(self, lengths: Tensor) -> Tensor:
        return -(-frames_of(lengths, self.rate) // HALVED)

    def latents(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return frames (B,T,D) of 20 ms and the real ones; loudness does not matter."""
        with torch.autocast(batch["waveform"].device.type, enabled=False):
            frames = frames_of(batch["lengths"], self.rate)
            mel = log_mel(batch["waveform"].flatten(1), self.rate, self.options.bands)
            mel = mel[:, :, : int(frames.max())]
            mel = mel - on_grid(mel, frames, 1).mean(1, keepdim=True)
            mel = mel * real_frames(frames, mel.shape[2])[:, None]
            # What is halved is whole, and real ones see the same silence behind their end.
            mel = F.pad(mel, (0, -mel.shape[2] % HALVED))
        found = F.gelu(self.first(mel)) * real_frames(frames, mel.shape[2])[:, None]
        return self.norm(self.halve(found).transpose(1, 2)), -(-frames // HALVED)

    def project(self, latents: Tensor) -> Tensor:
        found: Tensor = self.entry(latents)
        return found

    def contextualize(self, vectors: Tensor, frames: Tensor) -> Tensor:
        real = real_frames(frames, vectors.shape[1])
        for block in self.blocks:
            vectors = block(vectors, real)
        return vectors

    def forward(self, batch: Batch) -> Features:
        latents, frames = self.latents(batch)
        found = self.contextualize(self.project(latents), frames)
        pooled = on_grid(found.transpose(1, 2), frames, self.options.cells).flatten(1)
        return Features(found, real_frames(frames, found.shape[1]), pooled)

    def layers(self) -> list[nn.Module]:
        """The convolutions before the blocks, then each block."""
        first = nn.ModuleList([self.first, self.halve, self.norm, self.entry])
        return [first, *self.blocks]

    def untrained(self) -> Conformer:
        """Return a network of the same shape, freshly initialised."""
        return Conformer(self.options, self.rate)

    def save(self, folder: Path) -> None:
        """Write the weights and the shape."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
        about = {"network": "conformer", "rate": self.rate, **self.options.model_dump()}
        write_json(folder / CONFIG, about)

    @classmethod
    def load(cls, folder: str | Path, length: int | None = None) -> Conformer:
        """Open a folder that :meth:`save` wrote; the network takes any length.

        Raises:
            HeadstartError: the files are missing or damaged.
        """
        what = f"the network of recordings in {folder} cannot be read"
        with refused(what, "pre-train it again or name another folder", Exception):
            config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
            shape = {name: config[name] for name in ConformerOptions.model_fields}
            encoder = cls(ConformerOptions(**shape), int(config["rate"]))
            encoder.load_state_dict(load_file(Path(folder) / WEIGHTS))
        return encoder


def _conformer(options: ConformerOptions, processor: Processor | None, length: int) -> Conformer:
    return Conformer(options, int(getattr(processor, "rate", RATE)))


CONFORMER = EncoderKind(
    "A small conformer on log-mel spectrograms, for recordings.",
    ConformerOptions,
    _conformer,
    length=200,
    batch_size=64,
    learning_rate=1e-3,
    reads="waveform",
    provides=frozenset({"frames", "dropout"}),
    load=Conformer.load,
)
