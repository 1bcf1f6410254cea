"""What draws a spectrogram from the last map of the network of recordings."""

from __future__ import annotations

from torch import Tensor, nn

from headstart.encoders.mel_conv import MelConv


def mel_head(encoder: MelConv) -> nn.Linear:
    """Return what gives, for each vector of the map, the frames that it stands for."""
    return nn.Linear(encoder.channels, encoder.stacked * encoder.options.bands)


def drawn_mel(head: nn.Linear, encoder: MelConv, found: Tensor, frames: int) -> Tensor:
    """Return log-mel spectrograms (B,M,frames) float32 from a map (B,C,T')."""
    drawn = head(found.transpose(1, 2)).float()  # (B,T',step M)
    drawn = drawn.unflatten(2, (encoder.stacked, -1)).flatten(1, 2).transpose(1, 2)
    return drawn[:, :, :frames]
