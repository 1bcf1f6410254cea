"""The network between an encoder's frames and the symbols that are heard in them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Frames that a convolution sees, odd.
KERNEL = 15
#: Longest part of the frames that is hidden at once in training, and share of the channels.
HIDDEN, CHANNELS = 10, 0.1


class Block(nn.Module):
    """A gated, depthwise-separable convolution over time beside the frames themselves.

    The convolution module of the Conformer (Gulati et al. 2020, figure 2,
    https://arxiv.org/abs/2005.08100), with layer norm in the place of batch norm, so that a
    recording in a batch is treated as if it were alone.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.before, self.within = nn.LayerNorm(width), nn.LayerNorm(width)
        self.gate, self.mix = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.over_time = nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2, groups=width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Return frames (B,T,W) in their context; ``mask`` (B,T) is True at real ones."""
        x = F.glu(self.gate(self.before(frames)), 2) * mask[:, :, None]
        x = self.over_time(x.transpose(1, 2)).transpose(1, 2)
        return frames + self.dropout(self.mix(F.silu(self.within(x))))


class FrameNetwork(nn.Module):
    """Scores of classes for each frame: a linear layer, blocks in time, a linear layer.

    Args:
        inputs: D, the width of the frames.
        classes: K.
        width: W, of the blocks.
        layers: number of blocks.
        dropout: share of what is hidden in training, before and after each block.
        hidden: share of the frames that is hidden in training, in parts of up to
            :data:`HIDDEN` frames, beside a tenth of the channels (as in Baevski et al. 2020,
            appendix B, https://arxiv.org/abs/2006.11477, after SpecAugment).
    """

    def __init__(
        self, inputs: int, classes: int, width: int, layers: int, dropout: float, hidden: float
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.dropout = nn.Dropout(dropout)
        self.input = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, classes)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Return log-probabilities (B,T,K) float32 of frames (B,T,D) with ``mask`` (B,T)."""
        if self.training and self.hidden:
            frames = frames * _shown(mask, frames.shape[2], self.hidden)
        x = self.dropout(F.relu(self.input(frames)))
        for block in self.blocks:
            x = block(x, mask)
        return self.output(self.dropout(self.norm(x))).float().log_softmax(2)


def _shown(mask: Tensor, channels: int, share: float) -> Tensor:
    """Return what is not hidden (B,T,D), 0 or 1, drawn from torch's global generator."""
    rows, total = mask.shape
    starts = torch.rand(rows, total, device=mask.device) < 2 * share / HIDDEN
    lengths = torch.randint(1, HIDDEN, (rows, total), device=mask.device)
    at = torch.arange(total, device=mask.device)
    ends = torch.where(starts, at + lengths, 0).cummax(1).values
    shown = (ends <= at)[:, :, None]
    kept = torch.rand(rows, 1, channels, device=mask.device) >= CHANNELS
    return (shown & kept).float()
