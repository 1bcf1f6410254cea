"""Explanations of recordings: which moments speak for a class, over the spectrogram."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from headstart.modalities.audio.corruptions import encoded
from headstart.modalities.audio.preview import mp3, spectrogram
from headstart.modalities.cells import LEGEND, Cells, rounded, shades
from headstart.modalities.spectra import frames_of
from headstart.pages.cards import player
from headstart.pages.markup import Markup, data_address, sound_address, tag
from headstart.pages.style import AGAINST, FOR

if TYPE_CHECKING:
    from rich.console import RenderableType

    from headstart.batch import Batch

#: Moments of a recording, and the pixels a side of the picture.
MOMENTS, SIDE = 16, 288
#: Opacity of the strongest colour.
COVER = 0.6


def audio_units(batch: Batch, rate: int) -> Cells:
    """Return the moments of a recording, equal parts of its time; a removed one is silent.

    Args:
        batch: ``waveform`` (1,1,S) of it.
    """
    waveform = batch["waveform"][0, 0]

    def show(heat: Tensor, cells: Tensor, label: str, signed: bool) -> MomentEvidence:
        return MomentEvidence(waveform, rate, cells, LEGEND[signed])

    def content(row: Tensor) -> dict[str, Any]:
        return encoded(row[0].numpy(), rate)

    return Cells(batch, "waveform", noun="moments", cells=MOMENTS, content=content, show=show)


@dataclass(frozen=True)
class MomentEvidence:
    """The weights of the moments (G,) of a waveform (S,) at ``rate`` samples a second."""

    waveform: Tensor
    rate: int
    cells: Tensor
    legend: Sequence[str]

    @property
    def weights(self) -> list[float]:
        """The weights of the moments, in order."""
        found: list[float] = self.cells.tolist()
        return found

    def summary(self) -> dict[str, Any]:
        """Return ``moments``, the weights in order, and how many seconds each lasts."""
        seconds = len(self.waveform) / self.rate / len(self.cells)
        return {"moments": rounded(self.cells), "seconds": round(seconds, 4)}

    def lines(self) -> list[RenderableType]:
        from rich.text import Text

        key = "  (from the beginning to the end: the darker, the more a moment mattered)"
        return [*shades(self.cells), Text(key, "dim")]

    def html(self) -> Markup:
        words = "the spectrogram, from the beginning to the end, and what mattered"
        held = io.BytesIO()
        self.image().save(held, format="PNG", optimize=True)
        picture = tag("img", src=data_address(held.getvalue(), "png"), alt=words)
        sound = mp3(self.waveform.numpy(), self.rate)
        players = [player(sound_address(sound), "the recording")] if sound else []
        caption = tag("figcaption", words)
        return tag("div", tag("figure", picture, caption, *players), class_="heatmaps")

    def image(self) -> Image.Image:
        """Return the spectrogram (SIDE,SIDE) under the colours of its moments."""
        frames = frames_of(torch.tensor([len(self.waveform)]), self.rate)
        drawn = spectrogram(self.waveform[None], frames, self.rate, SIDE)[0]
        grey = drawn.float().mean(0).numpy()[:, :, None]
        at = np.arange(SIDE) * len(self.cells) // SIDE
        weights = (self.cells - self.cells.mean()).numpy()
        heat = (weights / (np.abs(weights).max() or 1.0))[at][None, :, None]
        strength = COVER * np.abs(heat) ** 0.8
        colour = np.where(heat > 0, np.array(FOR), np.array(AGAINST))
        mixed = grey * (1 - strength) + colour * strength * (0.4 + 0.6 * grey / 255)
        return Image.fromarray(mixed.round().astype(np.uint8))
