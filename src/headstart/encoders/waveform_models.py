"""Transformers on waveforms: wav2vec 2.0 and its kin, from scratch or published.

Convolutions make a frame of 20 ms from the samples, and a transformer sees them all. HuBERT, WavLM,
data2vec and others have the same parts under the same names.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from headstart.batch import Batch
from headstart.encoders import Features
from headstart.encoders.audio_folders import CELLS, cells_of, preprocessor_of, write_preprocessor
from headstart.encoders.recordings import FrameEncoder
from headstart.errors import HeadstartError, shown
from headstart.modalities.spectra import on_grid, real_frames
from headstart.weights import load_strictly

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

#: Networks whose layers let in what lies behind a recording, by their ``model_type``.
_LEAKING = frozenset({"data2vec-audio", "wav2vec2-conformer"})
#: Most samples between two frames; 320 are usual.
_LONGEST_STEP = 1 << 16


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
        config = model.config
        self._shapes = list(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.step = math.prod(config.conv_stride)
        if min(config.conv_stride) < 1 or self.step > _LONGEST_STEP:
            raise HeadstartError(
                f"the strides {shown(str(list(config.conv_stride)), 40)} in the network's "
                "config.json are none of a network on samples; copy the folder again."
            )
        model.config.apply_spec_augment, model.config.layerdrop = False, 0.0
        if getattr(model, "masked_spec_embed", None) is not None:
            model.masked_spec_embed.requires_grad_(False)
        self.model, self.preprocessor, self.cells = model, preprocessor, cells
        self.rate = int(preprocessor["sampling_rate"])
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
        return cls(model, preprocessor_of(folder), cells_of(model.config, folder))


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
