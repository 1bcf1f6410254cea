"""A published network that tells speakers apart, as a start for recordings.

Trained on thousands of voices, its layers know more of what is said than it was asked for: they are
averaged over equal parts of the time, in place of its final vector, which is made for the voice.
Source: Wan et al. 2018, "Generalized end-to-end loss for speaker verification",
https://arxiv.org/abs/1710.10467, with the weights of the package `resemblyzer`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.encoders import Features
from headstart.encoders.recordings import WaveformEncoder
from headstart.errors import HeadstartError, refused
from headstart.files import write_json
from headstart.modalities.spectra import on_grid, real_frames
from headstart.weights import check_finite, tensors_of

WEIGHTS, CONFIG = "model.safetensors", "config.json"
NETWORK = "speaker_lstm"
#: Its preprocessing: samples a second, of a frame and of a step, bands, and the root mean square to
#: which quieter recordings are raised (-30 dB of full scale).
RATE, FRAME, STEP, BANDS, LOUDNESS = 16_000, 400, 160, 40, 10 ** (-30 / 20)
#: Layers whose vectors are averaged, from 1, and parts of the time (``docs/log.md``).
LAYERS, CELLS = (2, 3), 4
_WIDTH, _DEPTH = 256, 3
_CARD = """\
---
license: apache-2.0
---
The LSTM of a speaker encoder, trained to tell voices apart by GE2E (Wan et al. 2018), from the
package `resemblyzer`. Recordings are described by the means of its layers 2 and 3 on cells of time.
"""


class SpeakerLSTM(WaveformEncoder):
    """Layers of LSTM on mel spectrograms; what lies behind a recording never enters.

    ``tokens`` are the layers' vectors side by side, (B,T,L x 256); ``pooled`` (B,D) are their means
    in equal parts of each record's time, D = cells x L x 256.

    Args:
        layers: that are described, from 1; the network ends with the last one.
        cells: equal parts of the time.

    Example::

        encoder = SpeakerLSTM.load(folder)
        encoder.pool({"waveform": waveform, "lengths": lengths})  # (B,2048)
    """

    provides = frozenset()
    rate = RATE

    def __init__(self, layers: Sequence[int] = LAYERS, cells: int = CELLS) -> None:
        super().__init__()
        if not layers or not set(layers) <= set(range(1, _DEPTH + 1)) or not 1 <= cells <= 64:
            raise HeadstartError(
                f"layers {list(layers)} on {cells} cells are not those of a speaker encoder: name "
                f"some of 1 to {_DEPTH}, and 1 to 64 cells."
            )
        self.described, self.cells = tuple(sorted(set(layers))), cells
        self.width = cells * len(self.described) * _WIDTH
        sizes = [BANDS, *[_WIDTH] * (self.described[-1] - 1)]
        self.lstm = nn.ModuleList(nn.LSTM(size, _WIDTH, batch_first=True) for size in sizes)

    def forward(self, batch: Batch) -> Features:
        found, frames = self._vectors(batch)
        return Features(found, real_frames(frames, found.shape[1]), self._pooled(found, frames))

    def pool(self, batch: Batch) -> Tensor:
        """Return ``forward(batch).pooled`` (B,D)."""
        return self._pooled(*self._vectors(batch))

    def layers(self) -> list[nn.Module]:
        """The layers, from the input up."""
        return list(self.lstm)

    def untrained(self) -> SpeakerLSTM:
        """Return a network of the same shape, freshly initialised."""
        return SpeakerLSTM(self.described, self.cells)

    def save(self, folder: Path) -> None:
        """Write the weights, and what is read and described."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
        about = {"network": NETWORK, "rate": RATE, "width": self.width}
        write_json(folder / CONFIG, {**about, "layers": list(self.described), "cells": self.cells})

    @classmethod
    def load(cls, folder: str | Path, length: int | None = None) -> SpeakerLSTM:
        """Open a folder that :meth:`save` wrote; the network takes any length.

        Raises:
            HeadstartError: the files are missing or damaged.
        """
        what = f"the network of recordings in {folder} cannot be read"
        with refused(what, "copy the folder again, or name another one", Exception):
            config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
            encoder = cls(config["layers"], int(config["cells"]))
            encoder.load_state_dict(load_file(Path(folder) / WEIGHTS))
        check_finite(encoder.state_dict(), folder)
        return encoder

    def _vectors(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the layers' vectors (B,T,L x 256), and the real frames (B,)."""
        with torch.autocast(batch["waveform"].device.type, enabled=False):
            x, frames = mel(batch["waveform"].flatten(1), batch["lengths"])
        found = []
        for number, layer in enumerate(self.lstm, 1):
            x, _ = layer(x)
            if number in self.described:
                found.append(x)
        return torch.cat(found, 2), frames

    def _pooled(self, found: Tensor, frames: Tensor) -> Tensor:
        return on_grid(found.transpose(1, 2), frames, self.cells).flatten(1)


def mel(waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mel spectrograms (B,T,40) that the network was trained on, and real frames (B,).

    They are powers, not logarithms; a quiet recording is made louder.

    Args:
        waveform: (B,S) at 16,000 samples a second, silent behind ``lengths`` (B,).
    """
    waveform = waveform.float()
    level = (waveform.square().sum(1) / lengths.clamp(min=1)).sqrt().clamp(min=1e-8)
    waveform = waveform * (LOUDNESS / level).clamp(min=1.0)[:, None]
    frames = F.pad(waveform, (FRAME // 2, FRAME // 2)).unfold(1, FRAME, STEP)  # (B,T,400)
    window = torch.hann_window(FRAME, device=waveform.device)
    spectrum = torch.fft.rfft(frames * window)
    power = spectrum.real.square() + spectrum.imag.square()
    return power @ _filters().to(waveform.device).T, lengths // STEP + 1


@lru_cache(maxsize=1)
def _filters() -> Tensor:
    """Return Slaney's triangles (40,201) of equal area: linear in Hz up to 1,000, then logarithmic.

    Malcolm Slaney 1998, "Auditory Toolbox"; the default of librosa, which the weights expect.
    """
    linear, growth = 3 / 200, 27 / math.log(6.4)
    highest = 1000 * linear + growth * math.log(RATE / 2 / 1000)
    mels = torch.linspace(0, highest, BANDS + 2, dtype=torch.float64)
    edges = torch.where(
        mels < 1000 * linear, mels / linear, 1000 * ((mels - 1000 * linear) / growth).exp()
    )
    bins = torch.linspace(0, RATE / 2, FRAME // 2 + 1, dtype=torch.float64)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    height = 2 / (edges[2:] - edges[:-2])[:, None]
    return (torch.minimum(rise, fall).clamp(min=0) * height).float()


def write_speaker_lstm(package: Path, folder: Path) -> None:
    """Write the weights that lie in a folder of the package as one that opens.

    The package itself is not imported, as that drags in others.

    Args:
        package: holds ``pretrained.pt``, pickled tensors.
        folder: exists, and is filled.

    Raises:
        HeadstartError: there are no such weights.
    """
    file, encoder = package / "pretrained.pt", SpeakerLSTM()
    if not file.is_file():
        raise HeadstartError("its package has no pretrained.pt; reinstall it.")
    with refused(f"{file.name} cannot be read", "reinstall its package", Exception):
        saved = tensors_of(file)["model_state"]
        encoder.load_state_dict(
            {
                f"lstm.{layer}.{name}_l0": saved[f"lstm.{name}_l{layer}"]
                for layer in range(len(encoder.lstm))
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            }
        )
    encoder.save(folder)
    (folder / "README.md").write_text(_CARD, encoding="utf-8")
