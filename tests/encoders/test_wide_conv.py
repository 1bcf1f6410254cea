"""Wide convolutions: the values and gradients of the plain ones, and only where they pay."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headstart.encoders import wide_conv
from headstart.encoders.wide_conv import WIDE, WIDER, WideConv, widen


def conv(channels: int = WIDE, **options: int | bool | str) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(16, channels, **{"kernel_size": 3, "padding": 1, "bias": False, **options})


def gradients(layer: nn.Conv2d, x: torch.Tensor, of_output: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        made = layer(x)
    return [made, *torch.autograd.grad(made, [x, layer.weight], of_output.to(made.dtype))]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("channels", "height", "width"),
    [(WIDE, 7, 5), (WIDER, 4, 3), (WIDER, 7, 6), (WIDER, 8, 8), (WIDE, 9, 9), (WIDE, 1, 2)],
)
def test_values_and_gradients_are_those_of_the_plain_convolution_up_to_bf16(
    channels, height, width, stride, monkeypatch
):
    plain, wide = conv(channels, stride=stride), conv(channels, stride=stride)
    widen(wide)
    assert isinstance(wide, WideConv)
    # As if turned weights were wide, too: here they have 16 output channels.
    monkeypatch.setattr(wide_conv, "WIDER", 16 if channels == WIDER else WIDER)
    x = torch.randn(4, 16, height, width)
    exact, weight = x.double().requires_grad_(), plain.weight.detach().double().requires_grad_()
    made = nn.functional.conv2d(exact, weight, padding=1, stride=stride)
    of_output = torch.randn(made.shape)
    truth = [made, *torch.autograd.grad(made, [exact, weight], of_output.double())]
    found = gradients(wide, x.to(memory_format=torch.channels_last), of_output)
    for ours, theirs, right in zip(found, gradients(plain, x, of_output), truth, strict=True):
        assert ours.shape == right.shape
        # No farther from the truth than the rounding of the plain convolution, and half again.
        far = (ours.double() - right).norm() / right.norm()
        assert far < 1.5 * (theirs.double() - right).norm() / right.norm()


def test_without_bf16_or_training_it_is_the_plain_convolution():
    plain, wide = conv(), conv()
    widen(wide)
    x = torch.randn(2, 16, 6, 6)
    assert torch.equal(wide(x), plain(x))
    wide.eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(wide(x), plain(x))


@pytest.mark.parametrize(
    "options",
    [
        {"channels": WIDE - 1},
        {"kernel_size": 1, "padding": 0},
        {"stride": 3},
        {"bias": True},
        {"dilation": 2},
        {"padding_mode": "reflect"},
        {"groups": 2},
    ],
)
def test_all_others_are_left_as_they_are(options):
    layer = conv(**options)
    widen(nn.Sequential(layer))
    assert type(layer) is nn.Conv2d
