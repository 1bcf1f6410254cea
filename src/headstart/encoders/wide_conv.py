"""A 3x3 convolution that is computed as a matrix product where that is faster.

In bf16 on a CPU, oneDNN is slow at wide convolutions of small maps: for 4 x 4 positions the
gradient of the weights takes four times as long as im2col and one matrix product, the convolution
itself twice as long (``docs/log.md``).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

#: Minimum output channels and maximum map positions for which the gradient of the weights is faster
#: as a matrix product.
WIDE, SMALL = 256, 64
#: The same for the convolution itself.
WIDER, SMALLER = 512, 16


class WideConv(nn.Conv2d):
    """``nn.Conv2d`` of 3x3 with padding 1 and no bias, with the same weights and values."""

    def forward(self, x: Tensor) -> Tensor:
        autocast = torch.is_autocast_enabled("cpu") and x.device.type == "cpu"
        stride = int(self.stride[0])
        positions = _size(x.shape[2], stride) * _size(x.shape[3], stride)
        wide = self.out_channels >= WIDE and positions <= SMALL
        if not (autocast and self.training and wide):
            return super().forward(x)
        dtype = torch.get_autocast_dtype("cpu")
        weight = self.weight.to(dtype, memory_format=torch.channels_last)
        made: Tensor = _WideConv.apply(x.to(dtype), weight, stride)
        return made


def widen(model: nn.Module) -> None:
    """Replace the wide 3x3 convolutions of a network in place; weights and names are unchanged."""
    shape = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    same = ("kernel_size", "padding", "dilation", "groups", "padding_mode", "bias")
    for module in model.modules():
        wide = type(module) is nn.Conv2d and module.out_channels >= WIDE
        if (
            wide
            and module.stride in ((1, 1), (2, 2))
            and all(getattr(module, name) == getattr(shape, name) for name in same)
        ):
            module.__class__ = WideConv


class _WideConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return _convolved(x, weight, stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = _unconvolved(gradient, weight, x, ctx.stride)
        if ctx.needs_input_grad[1]:
            product = _rows(gradient).T @ _neighbours(x, ctx.stride)
            of_weight = product.unflatten(1, (3, 3, -1)).permute(0, 3, 1, 2)
        return of_x, of_weight, None


def _convolved(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return the convolution (N,O,h,w) of maps (N,C,H,W) with weights (O,C,3,3)."""
    height, width = (_size(side, stride) for side in x.shape[2:])
    if not _as_product(weight, height * width):
        return F.conv2d(x, weight, stride=stride, padding=1)
    product = _neighbours(x, stride) @ weight.permute(2, 3, 1, 0).flatten(0, 2)
    return product.unflatten(0, (len(x), height, width)).permute(0, 3, 1, 2)


def _unconvolved(gradient: Tensor, weight: Tensor, x: Tensor, stride: int) -> Tensor:
    """Return the gradient (N,C,H,W) with respect to the maps ``x``."""
    if stride == 1:
        turned = weight.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
        return _convolved(gradient, turned, 1)
    (count, channels, height, width), (high, wide) = x.shape, gradient.shape[2:]
    if not _as_product(weight, high * wide):
        return conv2d_input(list(x.shape), weight, gradient, stride, 1)
    parts = (_rows(gradient) @ weight.permute(0, 2, 3, 1).flatten(1)).view(
        count, high, wide, 3, 3, channels
    )
    # Each position was a neighbour of up to four others; they are summed in float32.
    padded = torch.zeros(count, height + 2, width + 2, channels)
    for i in range(3):
        for j in range(3):
            padded[:, i : i + 2 * high : 2, j : j + 2 * wide : 2] += parts[:, :, :, i, j]
    return padded[:, 1:-1, 1:-1].permute(0, 3, 1, 2).to(x.dtype)


def _as_product(weight: Tensor, positions: int) -> bool:
    return len(weight) >= WIDER and positions <= SMALLER


def _neighbours(x: Tensor, stride: int) -> Tensor:
    """Return the nine neighbours' vectors of each output position (im2col), (N*h*w,9*C)."""
    count, channels, height, width = x.shape
    padded = x.new_zeros(count, height + 2, width + 2, channels)
    padded[:, 1:-1, 1:-1] = x.permute(0, 2, 3, 1)
    row, down, right, last = padded.stride()
    seen = padded.as_strided(
        (count, _size(height, stride), _size(width, stride), 3, 3, channels),
        (row, stride * down, stride * right, down, right, last),
    )
    return seen.reshape(-1, 9 * channels)


def _rows(maps: Tensor) -> Tensor:
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


def _size(side: int, stride: int) -> int:
    return (side - 1) // stride + 1
