"""What recordings look like: spectrograms, and sounds for the players of pages."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from headstart.batch import Batch, part
from headstart.modalities import Preview, Sheet
from headstart.modalities.audio.clips import CLIPS
from headstart.modalities.spectra import frames_of, log_mel

if TYPE_CHECKING:
    from datasets import Dataset

#: Bands of a picture, and its side in a sheet.
BANDS, SIDE = 64, 96
#: Most seconds that are shown and heard, and the rate of what is heard.
SECONDS, RATE = 4.0, 16000
#: What is this far below the loudest is white, in nepers of power: 65 dB.
RANGE = 15.0
#: Views that are shown below each other.
_ROWS = 8
_DARK = np.array([20, 40, 90])
_QUALITY = 60


def spectrogram(waveform: Tensor, frames: Tensor, rate: int, side: int) -> Tensor:
    """Return pictures (B,3,side,side) uint8 of waveforms (B,S): dark is loud, high is up.

    Each row is as wide as the longest, with white behind the end of the others.
    """
    mel = log_mel(waveform, rate, min(BANDS, 40 if rate <= 8000 else BANDS))
    at = torch.arange(mel.shape[2])
    mel = mel.masked_fill((at >= frames[:, None])[:, None], -torch.inf)
    loudest = mel.amax((1, 2), keepdim=True)
    dark = (1 + (mel - loudest) / RANGE).clamp(0, 1).flip(1)[:, None]  # (B,1,M,T)
    dark = F.interpolate(dark, (side, side), mode="bilinear", antialias=True)
    ink = torch.from_numpy(_DARK).view(1, 3, 1, 1)
    return (255 - dark * (255 - ink)).round().byte()


def previews(records: Dataset, side: int) -> list[Preview]:
    """Return the name, a picture and the sound of each recording that can be decoded.

    Args:
        side: of the picture in pixels.
    """
    found = []
    for name, value in zip(records["id"], records["audio"], strict=True):
        samples = CLIPS.get(value, RATE, None, False, SECONDS)
        if isinstance(samples, str):
            found.append(Preview(str(name)))
            continue
        waveform = torch.from_numpy(samples)[None]
        frames = frames_of(torch.tensor([len(samples)]), RATE)
        picture = spectrogram(waveform, frames, RATE, side)[0].permute(1, 2, 0).numpy()
        held = io.BytesIO()
        Image.fromarray(picture).save(held, format="WEBP", quality=_QUALITY)
        found.append(Preview(str(name), held.getvalue(), sound=mp3(samples, RATE)))
    return found


def mp3(samples: np.ndarray, rate: int) -> bytes:
    """Return samples (S,) as a small MP3; empty where libsndfile cannot write one."""
    import soundfile

    held = io.BytesIO()
    loudest = max(float(np.abs(samples).max()), 1e-6)
    try:
        soundfile.write(held, samples / loudest * 0.9, rate, format="MP3", compression_level=0.8)
    except (soundfile.LibsndfileError, ValueError):
        return b""
    return held.getvalue()


def sheet(batch: Batch, corrupted: Batch, views: Mapping[str, Tensor], rate: int) -> Sheet:
    """Return the recordings as spectrograms, and below them what the objective made of each.

    Args:
        views: pictures of the objective by name, which are taken where there are any.
    """
    rows = {"original": _drawn(batch, rate), **views}
    if not views:
        for key in list(corrupted)[: 4 * _ROWS]:
            name, _, tensor = key.rpartition("/")
            if tensor == "waveform" and corrupted[key] is not batch.get(key):
                rows[name or "changed"] = _drawn(part(corrupted, name) if name else corrupted, rate)
    return Sheet(dict(list(rows.items())[:_ROWS]))


def _drawn(batch: Batch, rate: int) -> Tensor:
    waveform = batch["waveform"].flatten(1)
    return spectrogram(waveform, frames_of(batch["lengths"], rate), rate, SIDE)
