"""WaveNet: dilated causal convolutions that predict each sample of a recording from those before.

Van den Oord et al. 2016, "WaveNet: A Generative Model for Raw Audio",
https://arxiv.org/abs/1609.03499. There is no padding to the right anywhere: what the vector of a
sample knows lies at it and before it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from pydantic import Field, model_validator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import EncoderKind, Features, TokenEncoder
from headstart.encoders.recordings import WaveformEncoder
from headstart.encoders.visibility import mean_pool
from headstart.errors import refused
from headstart.files import write_json
from headstart.modalities import Processor
from headstart.modalities.mu_law import CODES, VOCABULARY, encode
from headstart.modalities.spectra import real_frames

WEIGHTS, CONFIG = "model.safetensors", "config.json"
#: Samples a second where nothing says more.
RATE = 16_000
#: Samples that it may look back, some sixteen seconds.
MOST_REACH = 2**18


class WaveNetOptions(Options):
    """The shape; the defaults suit minutes on two cores."""

    channels: int = Field(48, ge=4, le=1024, description="Channels between and within blocks.")
    width: int = Field(
        64, ge=8, le=2048, description="Size of the vectors, of samples and in the table of codes."
    )
    kernel: int = Field(
        4, ge=2, le=16, description="Samples that a convolution looks at (paper: 2)."
    )
    layers: int = Field(
        4,
        ge=1,
        le=12,
        description="Blocks of a stack (paper: 10); each looks `kernel` times as far back.",
    )
    stacks: int = Field(1, ge=1, le=8, description="Stacks of such blocks.")

    @model_validator(mode="after")
    def _within_reach(self) -> WaveNetOptions:
        reach = self.stacks * self.kernel**self.layers
        if reach > MOST_REACH:
            raise ValueError(
                f"kernel {self.kernel} and {self.layers} layers look {reach:,} samples back, and "
                f"{MOST_REACH:,} are the most; take fewer layers or a smaller kernel"
            )
        return self


class Block(nn.Module):
    """A gated, dilated, causal convolution with a residual and a skip output (figure 4).

    Args:
        channels: C, of its input and within.
        width: S, of its skip output.
        kernel, dilation: of the convolution.
    """

    def __init__(self, channels: int, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.gated = nn.Conv1d(channels, 2 * channels, kernel, dilation=dilation)
        self.narrow = nn.Conv1d(channels, channels + width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the residual (B,C,T) and the skip output (B,S,T) of ``x`` (B,C,T)."""
        value, gate = self.gated(F.pad(x, (self.reach, 0))).chunk(2, 1)
        found = self.narrow(value.tanh() * gate.sigmoid())
        residual, skip = found.split([x.shape[1], found.shape[1] - x.shape[1]], 1)
        return x + residual, skip


class WaveNet(WaveformEncoder, TokenEncoder):
    """Mu-law codes through stacks of gated, dilated, causal convolutions.

    ::

        waveform (B,1,S) -- mu-law --> input_ids (B,S) -- table --> (B,S,D) -- blocks --> (B,S,D)

    ``tokens`` (B,S,D) are the sum of the skip outputs through two 1x1 convolutions (equation 2 and
    figure 4), from which an output layer predicts the next sample; ``pooled`` (B,D) is their mean.
    Codes are classes with an order: the table begins with smooth functions of the code, so that
    neighbours share what is learned, and an output layer that is tied to it begins smooth, too.

    Args:
        options: the shape.
        rate: samples a second of the waveforms that it reads.
    """

    reads = "waveform"
    provides = frozenset({"vocabulary", "token_embedding", "left_to_right", "order", "causal"})
    generates = "recordings"
    vocabulary = VOCABULARY
    is_causal = True
    causal_architecture = True

    def __init__(self, options: WaveNetOptions, rate: int) -> None:
        super().__init__()
        self.options, self.rate, self.width = options, rate, options.width
        channels, width, kernel = options.channels, options.width, options.kernel
        self.table = nn.Embedding(CODES, width)
        self.table.weight.data = _smooth(CODES, width)
        self.front = nn.Conv1d(width, channels, kernel)
        self.blocks = nn.ModuleList(
            Block(channels, width, kernel, kernel**layer)
            for _ in range(options.stacks)
            for layer in range(options.layers)
        )
        self.hidden, self.last = nn.Conv1d(width, width, 1), nn.Conv1d(width, width, 1)

    @property
    def reach(self) -> int:
        """Samples that a vector knows of, its own included."""
        kernel, layers = self.options.kernel, self.options.layers
        # A stack sees kernel - 1 samples apart by 1, kernel, kernel squared, ... further.
        return kernel + self.options.stacks * (kernel**layers - 1)

    @property
    def token_embedding(self) -> nn.Embedding:
        return self.table

    def with_ids(self, batch: Batch) -> Batch:
        """Return the batch with ``input_ids`` (B,S), the codes of its samples, and ``mask``."""
        if "input_ids" in batch:
            return batch
        waveform = batch["waveform"].flatten(1)
        mask = real_frames(batch["lengths"], waveform.shape[1])
        return {**batch, "input_ids": encode(waveform), "mask": mask}

    def causal_visibility(self, batch: Batch) -> None:
        """Return None: the convolutions see the left alone, and what fills a row is at its end."""
        return

    def embed(self, batch: Batch) -> Tensor:
        return self.table(self.with_ids(batch)["input_ids"])

    def contextualize(
        self, tokens: Tensor, visibility: Tensor | None, positions: Tensor | None = None
    ) -> Tensor:
        """Return vectors (B,T,D) in context of what is at their left; the rest is ignored."""
        x = F.pad(tokens.transpose(1, 2), (self.options.kernel - 1, 0))
        x = self.front(x)
        skips: Tensor | None = None
        for block in self.blocks:
            x, skip = block(x)
            skips = skip if skips is None else skips + skip
        assert skips is not None
        return self.last(F.relu(self.hidden(F.relu(skips)))).transpose(1, 2)

    def from_vectors(self, vectors: Tensor, batch: Batch) -> Features:
        tokens, mask = self.contextualize(vectors, None), self.with_ids(batch)["mask"]
        return Features(tokens, mask, mean_pool(tokens, mask))

    def layers(self) -> list[nn.Module]:
        """The table with the first convolution, then each block."""
        return [nn.ModuleList([self.table, self.front]), *self.blocks]

    def untrained(self) -> WaveNet:
        """Return a network of the same shape, freshly initialised."""
        return WaveNet(self.options, self.rate)

    def save(self, folder: Path) -> None:
        """Write the weights and the shape."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
        about = {"network": "wavenet", "rate": self.rate, **self.options.model_dump()}
        write_json(folder / CONFIG, about)

    @classmethod
    def load(cls, folder: str | Path, length: int | None = None) -> WaveNet:
        """Open a folder that :meth:`save` wrote; the network takes any length.

        Raises:
            HeadstartError: the files are missing or damaged.
        """
        what = f"the network of recordings in {folder} cannot be read"
        with refused(what, "pre-train it again or name another folder", Exception):
            config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
            shape = {name: config[name] for name in WaveNetOptions.model_fields}
            encoder = cls(WaveNetOptions(**shape), int(config["rate"]))
            encoder.load_state_dict(load_file(Path(folder) / WEIGHTS))
        return encoder


def _smooth(codes: int, width: int) -> Tensor:
    """Return cosines (codes,width) of the code, of ever higher frequency and ever less weight."""
    at = (torch.arange(codes) + 0.5) / codes
    order = torch.arange(1, width + 1)
    weight = (1 + order / 8).rsqrt() * (2 / width) ** 0.5
    return torch.cos(math.pi * at[:, None] * order) * weight


def _wavenet(options: WaveNetOptions, processor: Processor | None, length: int) -> WaveNet:
    return WaveNet(options, getattr(processor, "rate", RATE))


WAVENET = EncoderKind(
    "WaveNet: dilated causal convolutions on mu-law samples, for the objective clm and generate.",
    WaveNetOptions,
    _wavenet,
    length=16,
    batch_size=16,
    learning_rate=1e-2,
    reads="waveform",
    provides=WaveNet.provides,
    load=WaveNet.load,
)
