"""Frames as an encoder of an earlier run describes them, which HuBERT then clusters."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.encoders.opening import open_encoder
from headstart.encoders.recordings import FrameEncoder
from headstart.errors import HeadstartError


class EarlierFrames:
    """The vectors of a frozen encoder, for the frames of another one.

    It is no module: it is neither trained nor saved, and going on needs its folder unchanged.

    Args:
        folder: a run, or an encoder.
        layer: whose vectors are taken, from 1; 0 is the last.
        encoder: that learns, at whose frames they are taken.

    Raises:
        HeadstartError: it has no frames, another rate, or no such layer.
    """

    def __init__(self, folder: str, layer: int, encoder: FrameEncoder) -> None:
        earlier = open_encoder(folder)
        first = next(iter(earlier.joined.values()), earlier)
        if not isinstance(first, FrameEncoder):
            raise HeadstartError(
                f"the encoder in {folder} has no frames to cluster; name one of the kind mel_conv, "
                "conformer or wav2vec2."
            )
        if first.rate != encoder.rate:
            raise HeadstartError(
                f"the encoder in {folder} reads {first.rate:,} samples a second and the new one "
                f"{encoder.rate:,}; set --set audio.rate={first.rate}."
            )
        self.earlier = first.eval().requires_grad_(False)
        self.encoder = encoder
        self._heard: list[Tensor] = []
        self.width = first.channels
        if layer:
            # The first of the layers is what lies before the blocks.
            blocks = first.layers()[1:]
            if layer > len(blocks) or isinstance(blocks[layer - 1], torch.nn.ModuleList):
                raise HeadstartError(
                    f"hubert.layer={layer} is none of the blocks of the encoder in {folder}; leave "
                    "it out, or name one from 1 on of a conformer or wav2vec2."
                )
            blocks[layer - 1].register_forward_hook(self._listen)
        self.layer = layer

    @torch.no_grad()
    def values(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return vectors (B,T,C) at the frames of the new encoder, and its real frames (B,)."""
        self._heard.clear()
        self.earlier.to(batch["waveform"].device)
        found = self.earlier(batch).tokens
        found = (self._heard[-1] if self.layer else found).float()
        count = self.encoder.frames(batch["lengths"])
        at = torch.arange(int(count.max()), device=found.device) * self.encoder.step
        last = self.earlier.frames(batch["lengths"])[:, None] - 1
        at = torch.minimum((at // self.earlier.step)[None], last)
        return found.gather(1, at[:, :, None].expand(-1, -1, found.shape[2])), count

    def _listen(self, block: Any, given: Any, found: Any) -> None:
        self._heard.append(found if isinstance(found, Tensor) else found[0])
