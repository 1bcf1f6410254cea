"""A small convolutional network on log-mel spectrograms, for recordings and two cores.

What happens when is most of what a short recording says: its vector keeps the means of equal parts
of its time, and not one mean.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import EncoderKind, Features
from headstart.encoders.recordings import FrameEncoder
from headstart.errors import HeadstartError, refused
from headstart.files import write_json
from headstart.modalities import Processor
from headstart.modalities.spectra import frames_of, log_mel, on_grid, real_frames, step_of

WEIGHTS, CONFIG = "model.safetensors", "config.json"
#: Samples a second where nothing says more, as for an encoder that is described without records.
RATE = 16_000


class MelConvOptions(Options):
    """The shape of the network; each convolution is followed by batch norm and ReLU."""

    bands: int = Field(40, ge=8, le=128, description="Bands of the mel scale.")
    widths: tuple[int, ...] = Field(
        (128, 128, 128), min_length=1, max_length=12, description="Channels of each convolution."
    )
    kernel: int = Field(5, ge=1, le=31, description="Frames that a convolution sees; odd.")
    halved: int = Field(
        1,
        ge=0,
        le=6,
        description="How many of the first convolutions halve the time, from the second one on.",
    )
    cells: int = Field(
        8, ge=1, le=64, description="Equal parts of the time whose means are the vector."
    )


class RealBatchNorm(nn.BatchNorm1d):
    """Batch norm of frames (B,C,T) that counts real ones alone, and leaves the others at 0."""

    def forward(self, values: Tensor, real: Tensor | None = None) -> Tensor:
        """Normalise ``values`` (B,C,T) where ``real`` (B,T)."""
        if real is None:
            return super().forward(values)
        frames = values.transpose(1, 2)
        found = torch.zeros_like(frames)
        found[real] = super().forward(frames[real])
        return found.transpose(1, 2)


class MelConv(FrameEncoder):
    """Convolutions over time of log-mel spectrograms; a record in a batch is as if alone.

    ``tokens`` are its last map, (B,T,C) with C the last of ``widths``; ``pooled`` (B,D) are the
    means of the map in equal parts of each record's time, D = cells x C.

    Args:
        options: the shape.
        rate: samples a second of the waveforms that it reads.
    """

    provides = frozenset({"frames", "spectrogram", "near_frames"})

    def __init__(self, options: MelConvOptions, rate: int) -> None:
        super().__init__()
        if options.kernel % 2 == 0:
            raise HeadstartError("encoder.kernel must be odd; choose the next number.")
        self.options, self.rate = options, rate
        self.channels = options.widths[-1]
        self.width = options.cells * self.channels
        halvings = min(options.halved, len(options.widths) - 1)
        #: Frames of the spectrogram that one vector stands for.
        self.stacked = 2**halvings
        self.step = self.stacked * step_of(rate)
        # What the convolutions see on one side, and the overlap of the spectrogram's frames.
        apart = [2 ** min(max(n - 1, 0), halvings) for n in range(len(options.widths))]
        self.near = -(-(options.kernel // 2 * sum(apart) + 1) // self.stacked)
        self.latent_width = self.frame_width = self.stacked * options.bands
        sizes = [options.bands, *options.widths]
        self.input = RealBatchNorm(options.bands)
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for number, (before, after) in enumerate(pairwise(sizes)):
            stride = 2 if 1 <= number <= options.halved else 1
            self.convolutions.append(
                nn.Conv1d(before, after, options.kernel, stride, options.kernel // 2, bias=False)
            )
            self.norms.append(RealBatchNorm(after))

    def mel(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return log-mel spectrograms (B,M,T) of mean 0 each, and their real frames (B,).

        The mean over all bands and frames is the loudness, which says nothing.
        """
        with torch.autocast(batch["waveform"].device.type, enabled=False):
            waveform = batch["waveform"].flatten(1)
            frames = frames_of(batch["lengths"], self.rate)
            found = log_mel(waveform, self.rate, self.options.bands)
            found = found[:, :, : int(frames.max())]
            return found - on_grid(found, frames, 1).mean(1, keepdim=True), frames

    def frames(self, lengths: Tensor) -> Tensor:
        return -(-frames_of(lengths, self.rate) // self.stacked)

    def latents(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the spectrogram in pieces (B,T,C) of the frames that one vector stands for."""
        mel, frames = self.mel(batch)
        mel = mel * real_frames(frames, mel.shape[2])[:, None]
        mel = F.pad(mel, (0, -mel.shape[2] % self.stacked))
        pieces = mel.transpose(1, 2).unflatten(1, (-1, self.stacked)).flatten(2)
        return pieces, -(-frames // self.stacked)

    def project(self, latents: Tensor) -> Tensor:
        """Return the latents, which enter as they are."""
        return latents

    def contextualize(self, vectors: Tensor, frames: Tensor) -> Tensor:
        mel = vectors.unflatten(2, (self.stacked, -1)).flatten(1, 2).transpose(1, 2)
        return self.map_of(mel, frames * self.stacked)[0].transpose(1, 2)

    def map_of(self, mel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the last map (B,C,T') of spectrograms (B,M,T), and its real frames (B,)."""
        x = self.input(mel, real_frames(frames, mel.shape[2]))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x, before = convolution(x), x.shape[2]
            frames = frames if x.shape[2] == before else -(-frames // 2)
            x = F.relu(norm(x, real_frames(frames, x.shape[2])))
        return x, frames

    def forward(self, batch: Batch) -> Features:
        found, frames = self.map_of(*self.mel(batch))
        mask = real_frames(frames, found.shape[2])
        return Features(found.transpose(1, 2), mask, self._on_time(found, frames))

    def pool(self, batch: Batch) -> Tensor:
        """Return ``forward(batch).pooled`` (B,D)."""
        return self._on_time(*self.map_of(*self.mel(batch)))

    def layers(self) -> list[nn.Module]:
        """The input's norm, then each convolution with its own."""
        pairs = zip(self.convolutions, self.norms, strict=True)
        return [self.input, *(nn.ModuleList(pair) for pair in pairs)]

    def untrained(self) -> MelConv:
        """Return a network of the same shape, freshly initialised."""
        return MelConv(self.options, self.rate)

    def save(self, folder: Path) -> None:
        """Write the weights and the shape."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
        about = {"network": "mel_conv", "rate": self.rate, **self.options.model_dump()}
        write_json(folder / CONFIG, about)

    @classmethod
    def load(cls, folder: str | Path, length: int | None = None) -> MelConv:
        """Open a folder that :meth:`save` wrote; the network takes any length.

        Raises:
            HeadstartError: the files are missing or damaged.
        """
        what = f"the network of recordings in {folder} cannot be read"
        with refused(what, "pre-train it again or name another folder", Exception):
            config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
            shape = {name: config[name] for name in MelConvOptions.model_fields}
            encoder = cls(MelConvOptions(**shape), int(config["rate"]))
            encoder.load_state_dict(load_file(Path(folder) / WEIGHTS))
        return encoder

    def _on_time(self, found: Tensor, frames: Tensor) -> Tensor:
        return on_grid(found, frames, self.options.cells).flatten(1)


def _mel_conv(options: MelConvOptions, processor: Processor | None, length: int) -> MelConv:
    return MelConv(options, getattr(processor, "rate", RATE))


MEL_CONV = EncoderKind(
    "Convolutions over log-mel spectrograms, for recordings and two cores.",
    MelConvOptions,
    _mel_conv,
    length=200,
    batch_size=128,
    learning_rate=3e-3,
    reads="waveform",
    provides=MelConv.provides,
    load=MelConv.load,
)
