"""Transformers on waveforms: wav2vec 2.0 and its kin, from scratch or published.

Convolutions make a frame of 20 ms from the samples, and a transformer sees them all. HuBERT, WavLM,
data2vec and others have the same parts under the same names.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, Wav2Vec2Config, Wav2Vec2Model
from transformers.utils import logging as transformers_logging

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import EncoderKind, Features, FrameEncoder, check_heads
from headstart.encoders.audio_folders import RATE, preprocessor_of, write_preprocessor
from headstart.errors import HeadstartError
from headstart.modalities import Processor
from headstart.modalities.spectra import on_grid, real_frames
from headstart.weights import load_strictly

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

#: Seconds between two frames, in the paper and here.
STEP = 0.02
#: Equal parts of the time whose means are the vector: when something sounds is most of what a short
#: recording says.
CELLS = 8
#: Networks whose layers let in what lies behind a recording, by their ``model_type``.
_LEAKING = frozenset({"data2vec-audio", "wav2vec2-conformer"})
_KERNELS = (10, 3, 3, 3, 3, 2, 2, 2, 2)


class Wav2Vec2Options(Options):
    """A small wav2vec 2.0 (Baevski et al. 2020); the paper's base is 768 wide with 12 blocks."""

    width: int = Field(128, ge=8, le=2048, description="Size of the vectors.")
    layers: int = Field(4, ge=1, le=48, description="Transformer blocks.")
    heads: int = Field(4, ge=1, description="Attention heads; they divide the width.")
    channels: int = Field(64, ge=8, le=1024, description="Channels of the convolutions.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout in every block.")
    cells: int = Field(
        CELLS, ge=1, le=64, description="Equal parts of the time whose means are the vector."
    )


class RealGroupNorm(nn.GroupNorm):
    """Group norm over time (B,C,T) that counts the real frames of each row alone.

    Attributes:
        frames: (B,) the real ones of the next batch; None counts all.
    """

    frames: Tensor | None = None

    def forward(self, values: Tensor) -> Tensor:
        if self.frames is None:
            return super().forward(values)
        real = real_frames(self.frames, values.shape[2])[:, None]  # (B,1,T)
        found = values.float().unflatten(1, (self.num_groups, -1))  # (B,G,C/G,T)
        weights = real[:, None].float()
        count = weights.sum((2, 3), keepdim=True) * found.shape[2]
        mean = (found * weights).sum((2, 3), keepdim=True) / count
        spread = ((found - mean).square() * weights).sum((2, 3), keepdim=True) / count
        normal = ((found - mean) / (spread + self.eps).sqrt()).flatten(1, 2)
        return ((normal * self.weight[:, None] + self.bias[:, None]) * real).to(values.dtype)


class Wav2Vec2Encoder(FrameEncoder):
    """A network of the family of wav2vec 2.0; a record in a batch is as if alone.

    ``tokens`` are the last layer's frames (B,T,D); ``pooled`` (B,cells x D) are their means in
    equal parts of each record's time. The network's own masking and skipping of layers is off:
    objectives mask.

    Args:
        model: the bare network.
        preprocessor: its configuration; ``sampling_rate`` and ``do_normalize`` are used.
        cells: parts of the time.

    Raises:
        HeadstartError: the network has no convolutions on waveforms, or ends with an adapter.
    """

    def __init__(self, model: Any, preprocessor: dict[str, Any], cells: int = CELLS) -> None:
        super().__init__()
        parts = ("feature_extractor", "feature_projection", "encoder")
        if not all(hasattr(model, part) for part in parts) or getattr(model, "adapter", None):
            raise HeadstartError(
                f"the network {model.config.model_type!r} is not built as wav2vec 2.0 is; choose "
                "wav2vec2, HuBERT or WavLM, without an adapter."
            )
        model.config.apply_spec_augment, model.config.layerdrop = False, 0.0
        if getattr(model, "masked_spec_embed", None) is not None:
            model.masked_spec_embed.requires_grad_(False)
        self.model, self.preprocessor, self.cells = model, preprocessor, cells
        self.rate = int(preprocessor["sampling_rate"])
        config = model.config
        self._shapes = list(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.step = math.prod(config.conv_stride)
        self.latent_width, self.channels = config.conv_dim[-1], config.hidden_size
        self.frame_width, self.width = self.channels, cells * self.channels
        self._norm = _count_real(model.feature_extractor)
        # The fewest samples that make a frame.
        self._least = 1
        for kernel, stride in reversed(self._shapes):
            self._least = (self._least - 1) * stride + kernel

    @property
    def provides(self) -> frozenset[str]:
        """Capabilities: ``frames``, and ``dropout`` where it has any."""
        return frozenset({"frames", "dropout"} if self.has_dropout() else {"frames"})

    def frames(self, lengths: Tensor) -> Tensor:
        frames = lengths.clamp(min=self._least)
        for kernel, stride in self._shapes:
            frames = (frames - kernel) // stride + 1
        return frames

    def latents(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the convolutions' frames (B,T,C), normalised each by itself, and the real ones."""
        waveform, lengths = batch["waveform"].flatten(1).float(), batch["lengths"]
        longest = int(lengths.max())
        waveform = F.pad(waveform[:, :longest], (0, max(0, self._least - longest)))
        if self.preprocessor.get("do_normalize", True):
            waveform = _standardised(waveform, lengths)
        if self._norm is not None:
            kernel, stride = self._shapes[0]
            self._norm.frames = ((lengths - kernel) // stride + 1).clamp(min=1)
        found = self.model.feature_extractor(waveform).transpose(1, 2)
        norm = getattr(self.model.feature_projection, "layer_norm", None)
        return (found if norm is None else norm(found)), self.frames(lengths)

    def project(self, latents: Tensor) -> Tensor:
        found: Tensor = self.model.feature_projection.projection(latents)
        return found

    def contextualize(self, vectors: Tensor, frames: Tensor) -> Tensor:
        if self.model.config.model_type in _LEAKING and len(frames.unique()) > 1:
            return self._by_length(vectors, frames)
        real = real_frames(frames, vectors.shape[1])
        # The network itself zeroes what is masked, in place.
        vectors = vectors * real[:, :, None]
        found: Tensor = self.model.encoder(vectors, attention_mask=real).last_hidden_state
        return found

    def _by_length(self, vectors: Tensor, frames: Tensor) -> Tensor:
        """Return what :meth:`contextualize` does, for rows of one length at a time."""
        rows: list[Tensor | None] = [None] * len(frames)
        for length in frames.unique().tolist():
            at = (frames == length).nonzero()[:, 0]
            part = self.contextualize(vectors[at, :length], frames[at])
            for index, row in zip(at.tolist(), part, strict=True):
                rows[index] = F.pad(row, (0, 0, 0, vectors.shape[1] - length))
        return torch.stack([row for row in rows if row is not None])

    def forward(self, batch: Batch) -> Features:
        latents, frames = self.latents(batch)
        found = self.contextualize(self.project(latents), frames)
        pooled = on_grid(found.transpose(1, 2), frames, self.cells).flatten(1)
        return Features(found, real_frames(frames, found.shape[1]), pooled)

    def layers(self) -> list[nn.Module]:
        """The convolutions with all before the first block, then the blocks."""
        encoder = self.model.encoder
        names = [name for name, _ in encoder.named_children() if name != "layers"]
        first = [self.model.feature_extractor, self.model.feature_projection]
        first += [getattr(encoder, name) for name in names]
        return [nn.ModuleList(first), *encoder.layers]

    def untrained(self) -> Wav2Vec2Encoder:
        """Return a network of the same configuration, freshly initialised."""
        fresh = type(self.model)(self.model.config)
        return Wav2Vec2Encoder(fresh, self.preprocessor, self.cells)

    def save(self, folder: Path) -> None:
        """Write the folder of Transformers: ``AutoModel`` and ``AutoFeatureExtractor`` open it."""
        self.model.config.headstart = {"cells": self.cells}
        self.model.save_pretrained(folder)
        write_preprocessor(self.preprocessor, folder)

    @classmethod
    def load(cls, folder: str | Path, length: int | None = None) -> Wav2Vec2Encoder:
        """Open a folder, or a name on the hub or in its local cache; it takes any length.

        Raises:
            HeadstartError: Transformers cannot open it, or it is of another family.
        """
        model = load_strictly(AutoModel, folder)
        ours = getattr(model.config, "headstart", None) or {}
        return cls(model, preprocessor_of(folder), int(ours.get("cells", CELLS)))


def _standardised(waveform: Tensor, lengths: Tensor) -> Tensor:
    """Return waveforms (B,S) with mean 0 and variance 1 of what is real, and silence behind."""
    real = real_frames(lengths, waveform.shape[1])
    mean = (waveform * real).sum(1) / lengths
    centred = (waveform - mean[:, None]) * real
    spread = centred.square().sum(1) / lengths
    return centred / (spread + 1e-7).sqrt()[:, None]


def _count_real(extractor: nn.Module) -> RealGroupNorm | None:
    """Replace the group norm over time, which would count padding, and return it."""
    for module in list(extractor.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.GroupNorm:
                made = RealGroupNorm(child.num_groups, child.num_channels, child.eps)
                made.weight, made.bias = child.weight, child.bias
                setattr(module, name, made)
                return made
    return None


def _wav2vec2(
    options: Wav2Vec2Options, processor: Processor | None, length: int
) -> Wav2Vec2Encoder:
    check_heads(options.width, options.heads)
    rate = int(getattr(processor, "rate", RATE))
    # A stride of 5, then of 2 as often as makes the step of the paper.
    count = 1 + round(math.log2(max(rate * STEP / 5, 2)))
    groups = math.gcd(options.width, 16)
    config = Wav2Vec2Config(
        hidden_size=options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        intermediate_size=4 * options.width,
        conv_dim=(options.channels,) * count,
        conv_stride=(5, *(2,) * (count - 1)),
        conv_kernel=_KERNELS[:count],
        # Unlike group norm over time, it does not depend on what is beside a frame.
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=32,
        num_conv_pos_embedding_groups=groups,
        hidden_dropout=options.dropout,
        activation_dropout=0.0,
        attention_dropout=options.dropout,
        feat_proj_dropout=0.0,
        layerdrop=0.0,
        apply_spec_augment=False,
    )
    preprocessor = {"sampling_rate": rate, "do_normalize": True, "return_attention_mask": True}
    with torch.no_grad():
        return Wav2Vec2Encoder(Wav2Vec2Model(config), preprocessor, options.cells)


WAV2VEC2 = EncoderKind(
    "Convolutions on samples and a transformer, for recordings (wav2vec 2.0).",
    Wav2Vec2Options,
    _wav2vec2,
    length=200,
    batch_size=64,
    learning_rate=1e-3,
    reads=Wav2Vec2Encoder.reads,
    provides=frozenset({"frames", "dropout"}),
)
