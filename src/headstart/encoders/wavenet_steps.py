"""WaveNet sample by sample in NumPy: each step computes one sample, and repeats nothing.

What a convolution of dilation d sees at a sample lies d, 2d, ... samples before it, all of the same
phase. Each phase has a ring of as many slots as the convolution is wide, side by side, so that what
it reads is one row; instead of the row its weights are turned, of which there are as many orders as
slots (the "fast generation" of Paine et al. 2016, https://arxiv.org/abs/1611.09482, without a
queue to move). At a step the work is tiny and the number of operations is what costs, so there are
as few as possible: biases are weights of a constant 1, and one tanh serves value and gate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

if TYPE_CHECKING:
    from headstart.encoders.wavenet import Block, WaveNet


class WaveNetSteps:
    """A :class:`headstart.encoders.wavenet.WaveNet` with its output layer, one sample at a time.

    Args:
        encoder: the network.
        decoder: its output layer, from vectors (..., D) to scores of the codes.
        count: N, recordings that are computed side by side.

    Example::

        steps = WaveNetSteps(encoder, head.decoder, count=4)
        scores = steps.next(np.full(4, SILENCE))  # (4,256), of the sample after the first
    """

    def __init__(self, encoder: WaveNet, decoder: nn.Linear, count: int) -> None:
        self._time, self._taps = 0, encoder.options.kernel
        table, front = _array(encoder.table.weight), _array(encoder.front.weight)
        # What each tap of the first convolution makes of each code, and of nothing.
        parts = [table @ front[:, :, tap].T for tap in range(self._taps)]
        blank = np.zeros((1, front.shape[0]), np.float32)
        parts = [np.concatenate([part, blank]) for part in parts]
        parts[-1] = parts[-1] + _array(encoder.front.bias)
        self._codes = np.concatenate(parts)
        self._past = np.full((self._taps, count), len(table))
        # Where the table of each slot's tap begins, by the slot of the newest code.
        slots = np.arange(self._taps)
        self._begins = [
            ((slots - now - 1) % self._taps)[:, None] * len(parts[0]) for now in range(self._taps)
        ]
        blocks: list[Block] = list(encoder.blocks)  # type: ignore[arg-type]
        channels = encoder.options.channels
        # What all blocks hand on to the output, each with its 1, is one long row.
        self._handed = np.ones((count, len(blocks) * (channels + 1)), np.float32)
        self._blocks = []
        for number, block in enumerate(blocks):
            view = self._handed[:, number * (channels + 1) : (number + 1) * (channels + 1)]
            self._blocks.append(_Ring(block, view))
        self._skip = np.concatenate([each.skip for each in self._blocks])
        self._hidden = _array(encoder.hidden.weight[:, :, 0]).T.copy()
        self._hidden_bias = _array(encoder.hidden.bias)
        # Two linear layers in a row are one.
        last, last_bias = _array(encoder.last.weight[:, :, 0]), _array(encoder.last.bias)
        scores = _array(decoder.weight)
        self._scores = (scores @ last).T.copy()
        self._scores_bias = scores @ last_bias + _array(decoder.bias)

    def next(self, codes: np.ndarray) -> np.ndarray:
        """Take the next sample's codes (N,), and return the scores (N,V) of the one after it."""
        time, now = self._time, self._time % self._taps
        self._past[now] = codes
        x = np.add.reduce(self._codes.take(self._past + self._begins[now], axis=0))
        for block in self._blocks:
            block.step(x, time)
        self._time += 1
        found = self._handed @ self._skip
        np.maximum(found, 0, out=found)
        found = found @ self._hidden
        found += self._hidden_bias
        np.maximum(found, 0, out=found)
        found = found @ self._scores
        found += self._scores_bias
        return found


class _Ring:
    """A block, and the samples that its convolution still needs.

    Args:
        block: of the network.
        handed: (N,C+1), where its gated output is written; the last column is 1.

    Attributes:
        skip: (C+1,S), from what it hands on to its skip output.
    """

    def __init__(self, block: Block, handed: np.ndarray) -> None:
        weight, narrow = _array(block.gated.weight), _array(block.narrow.weight[:, :, 0])
        both, self._channels, taps = weight.shape
        channels, count = self._channels, len(handed)
        self._dilation, self._taps = block.gated.dilation[0], taps
        self._handed, self._gated = handed, handed[:, :channels]
        # tanh(v) s(g) is tanh(v) (1 + tanh(g / 2)) / 2: the halves are in the weights.
        halved = np.concatenate([np.ones(channels), np.full(channels, 0.5)]).astype(np.float32)
        bias = (_array(block.gated.bias) * halved)[None]
        turned = [
            [weight[:, :, taps - 1 - (now - slot) % taps].T * halved for slot in range(taps)]
            for now in range(taps)
        ]
        self._turned = [np.concatenate([*slots, bias]) for slots in turned]
        own = np.concatenate([narrow.T / 2, _array(block.narrow.bias)[None]])
        self._residual, self.skip = own[:, :channels].copy(), own[:, channels:].copy()
        self._past = np.zeros((self._dilation, count, taps * channels + 1), np.float32)
        self._past[:, :, -1] = 1
        self._both = np.empty((count, both), np.float32)
        self._value, self._gate = self._both[:, :channels], self._both[:, channels:]

    def step(self, x: np.ndarray, time: int) -> None:
        """Hand on the gated output at a sample, and add the residual to ``x`` (N,C)."""
        turn, phase = divmod(time, self._dilation)
        now, seen = turn % self._taps, self._past[phase]
        seen[:, now * self._channels : (now + 1) * self._channels] = x
        np.dot(seen, self._turned[now], out=self._both)
        np.tanh(self._both, out=self._both)
        np.multiply(self._value, self._gate, out=self._gated)
        self._gated += self._value
        x += self._handed @ self._residual


def _array(weights: Tensor | None) -> np.ndarray:
    assert weights is not None
    found: np.ndarray = weights.detach().float().numpy()
    return found
