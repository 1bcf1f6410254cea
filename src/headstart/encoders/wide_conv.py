"""A 3x3 convolution whose weights get their gradient as nine matrix products.

In bf16 on a CPU, oneDNN is slow at the gradient of the weights of wide convolutions: from 256
output channels nine products of shifted maps take a fifth to two thirds of its time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

#: Output channels from which the products are the faster way.
WIDE = 256


class WideConv(nn.Conv2d):
    """``nn.Conv2d`` of 3x3 at stride 1, padding 1 and no bias, with the same weights and values."""

    def forward(self, x: Tensor) -> Tensor:
        autocast = torch.is_autocast_enabled("cpu") and x.device.type == "cpu"
        if not (autocast and self.training and self.out_channels >= WIDE):
            return super().forward(x)
        dtype = torch.get_autocast_dtype("cpu")
        weight = self.weight.to(dtype, memory_format=torch.channels_last)
        made: Tensor = _WideConv.apply(x.to(dtype), weight)
        return made


def widen(model: nn.Module) -> None:
    """Give the wide 3x3 convolutions of a network this gradient; weights and names stay."""
    shape = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    alike = ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode", "bias")
    for module in model.modules():
        wide = type(module) is nn.Conv2d and module.out_channels >= WIDE
        if wide and all(getattr(module, name) == getattr(shape, name) for name in alike):
            module.__class__ = WideConv


class _WideConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        (count, channels, height, width), last = x.shape, torch.channels_last
        gradient = gradient.contiguous(memory_format=last)
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            turned = weight.flip(2, 3).transpose(0, 1).contiguous(memory_format=last)
            of_x = F.conv2d(gradient, turned, padding=1)
        if ctx.needs_input_grad[1]:
            padded = x.new_zeros(count, height + 2, width + 2, channels)
            padded[:, 1:-1, 1:-1] = x.permute(0, 2, 3, 1)
            rows = gradient.permute(0, 2, 3, 1).flatten(0, 2).T
            products = [
                rows @ padded[:, i : i + height, j : j + width].reshape(-1, channels)
                for i in range(3)
                for j in range(3)
            ]
            of_weight = torch.stack(products).unflatten(0, (3, 3)).permute(2, 3, 0, 1)
        return of_x, of_weight
