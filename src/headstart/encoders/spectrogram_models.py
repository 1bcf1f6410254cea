"""Published networks on spectrograms: Whisper's encoder and the audio spectrogram transformer.

Transformers' own preprocessing makes their input, which has one length: a recording is followed by
silence, or cut after 30 and 10 seconds. Their vectors are those of the recording's own frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoFeatureExtractor, AutoModel
from transformers.utils import logging as transformers_logging

from headstart.batch import Batch
from headstart.encoders import Features
from headstart.encoders.audio_folders import CELLS, RATE, cells_of, preprocessor_of
from headstart.encoders.recordings import WaveformEncoder
from headstart.errors import HeadstartError, refused, shown
from headstart.modalities.spectra import on_grid, real_frames
from headstart.weights import load_strictly

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


#: The largest settings of the preprocessing; a larger one takes all memory, or hours.
_LARGEST = {"feature_size": 1024, "num_mel_bins": 1024, "max_length": 100_000}
_LARGEST |= {"chunk_length": 600, "hop_length": 1 << 14, "n_fft": 1 << 14}


def _check_bounds(preprocessor: dict[str, Any], folder: str | Path) -> None:
    """Refuse settings that nothing could be computed with."""
    for name, most in _LARGEST.items():
        value = preprocessor.get(name, 1)
        if not isinstance(value, int) or not 1 <= value <= most:
            raise HeadstartError(
                f"the preprocessing in {str(folder)!r} has {name} {shown(str(value), 40)}, and 1 "
                f"to {most:,} are possible; copy the folder again."
            )


def _shape(config: Any) -> tuple[int, int]:
    """Return the numbers of rows and columns that a network reads of each recording."""
    if config.model_type == "whisper":
        return config.num_mel_bins, 2 * config.max_source_positions
    return config.max_length, config.num_mel_bins


class SpectrogramEncoder(WaveformEncoder):
    """Whisper's encoder (Radford et al. 2022) or AST (Gong et al. 2021).

    ``tokens`` are the last layer's frames (B,T,D), of AST the means over its patches of one time;
    ``pooled`` (B,cells x D) are their means in equal parts of each record's time.

    Args:
        model: the bare network; of Whisper the decoder stays as it is.
        extractor: its preprocessing, of Transformers.
        cells: parts of the time.

    Raises:
        HeadstartError: it is another network.
    """

    def __init__(self, model: Any, extractor: Any, cells: int = CELLS) -> None:
        super().__init__()
        self.model, self.extractor, self.cells = model, extractor, cells
        self.rate = int(extractor.sampling_rate)
        self._whisper = model.config.model_type == "whisper"
        if not self._whisper and not hasattr(model, "embeddings"):
            raise HeadstartError(
                f"the network {model.config.model_type!r} is neither Whisper nor AST; choose one "
                "of them, or one on samples such as wav2vec2."
            )
        if self._whisper:
            model.encoder.layerdrop = 0.0
            model.decoder.requires_grad_(False)
        self.channels = int(model.config.hidden_size)
        self.width = cells * self.channels

    @property
    def provides(self) -> frozenset[str]:
        """Capabilities: ``dropout`` where it has any."""
        return frozenset({"dropout"} if self.has_dropout() else ())

    def forward(self, batch: Batch) -> Features:
        waveform, lengths = batch["waveform"].flatten(1).float(), batch["lengths"]
        rows = [
            row[:length].cpu().numpy()
            for row, length in zip(waveform, lengths.tolist(), strict=True)
        ]
        made = self.extractor(rows, sampling_rate=self.rate, return_tensors="pt")
        entry = next(iter(made.values())).to(waveform.device)
        tokens = self._in_time(entry)
        frames = self._real(lengths).clamp(1, tokens.shape[1])
        pooled = on_grid(tokens.transpose(1, 2), frames, self.cells).flatten(1)
        return Features(tokens, real_frames(frames, tokens.shape[1]), pooled)

    def layers(self) -> list[nn.Module]:
        """All before the first block, then the blocks, the last with the norm."""
        if self._whisper:
            part = self.model.encoder
            first = nn.ModuleList([part.conv1, part.conv2, part.embed_positions])
            blocks, norm = list(part.layers), part.layer_norm
        else:
            first, norm = self.model.embeddings, self.model.layernorm
            blocks = list(self.model.layers)
        return [first, *blocks[:-1], nn.ModuleList([blocks[-1], norm])]

    def untrained(self) -> SpectrogramEncoder:
        """Return a network of the same configuration, freshly initialised."""
        fresh = type(self.model)(self.model.config)
        return SpectrogramEncoder(fresh, self.extractor, self.cells)

    def save(self, folder: Path) -> None:
        """Write the folder of Transformers: ``AutoModel`` and ``AutoFeatureExtractor`` open it."""
        self.model.config.headstart = {"cells": self.cells}
        self.model.save_pretrained(folder)
        self.extractor.save_pretrained(folder)

    @classmethod
    def load(cls, folder: str | Path, length: int | None = None) -> SpectrogramEncoder:
        """Open a folder, or a name on the hub or in its local cache.

        Raises:
            HeadstartError: Transformers cannot open it, or its preprocessing is missing.
        """
        model = load_strictly(AutoModel, folder)
        _check_bounds(preprocessor_of(folder), folder)
        hint = "copy the folder again, with its preprocessor_config.json"
        with refused(f"the preprocessing in {str(folder)!r} cannot be used", hint, Exception):
            extractor = AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=False)
            # Its settings and the network's are in two files, which may be of two networks.
            made = extractor([np.zeros(RATE // 10, dtype=np.float32)], return_tensors="pt",
                             sampling_rate=extractor.sampling_rate)  # fmt: skip
            found = tuple(next(iter(made.values())).shape[1:])
            if found != _shape(model.config):
                raise ValueError(
                    f"it makes {found[0]} x {found[1]} values of a recording, and the network "
                    "reads {} x {}".format(*_shape(model.config))
                )
        return cls(model, extractor, cells_of(model.config, folder))

    def _in_time(self, entry: Tensor) -> Tensor:
        """Return the last layer's vectors (B,T,D), one a moment."""
        if self._whisper:
            vectors: Tensor = self.model.encoder(entry).last_hidden_state
            return vectors
        bands, _ = self.model.embeddings.get_shape(self.model.config)
        # Behind the class and the distillation token, patches of the lowest band come first.
        patches: Tensor = self.model(entry).last_hidden_state[:, 2:]
        return patches.unflatten(1, (bands, -1)).mean(1)

    def _real(self, lengths: Tensor) -> Tensor:
        """Return how many vectors begin within recordings of ``lengths`` samples."""
        if self._whisper:
            # The second convolution halves the spectrogram's frames.
            return -(-lengths // (2 * self.extractor.hop_length))
        config = self.model.config
        # Frames of 25 ms, every 10 ms.
        frames = (lengths - self.rate // 40) // (self.rate // 100) + 1
        return torch.div(frames - config.patch_size, config.time_stride, rounding_mode="floor") + 1
