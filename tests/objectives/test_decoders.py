"""The small networks around an encoder: sides of every size, and players held constant."""

from __future__ import annotations

import pytest
import torch
from pretext import NarrowConv, TinyViT
from torch import nn

from headstart.objectives.decoders import (
    ChannelwiseLinear,
    Critic,
    GridDecoder,
    ImageGenerator,
    grid_side,
)
from headstart.objectives.players import call_frozen, call_keeping_buffers
from headstart.seeding import generator


@pytest.mark.parametrize("side", [8, 16, 28, 32, 50, 64, 100])
def test_pictures_of_any_side_can_be_drawn_and_judged(side):
    drawn = ImageGenerator(5, side, channels=4)(torch.randn(2, 5))
    assert drawn.shape == (2, 3, side, side)
    assert Critic(side, 7, channels=4)(drawn).shape == (2, 7)


@pytest.mark.parametrize(("grid", "side"), [(4, 8), (4, 4), (7, 56), (8, 4), (14, 112), (3, 10)])
def test_a_grid_becomes_a_map_of_the_requested_side(grid, side):
    tokens = torch.randn(2, grid * grid, 6)
    assert GridDecoder(6, grid, side, 5, 8)(tokens).shape == (2, 5, side, side)


def test_the_grid_of_an_encoder_is_found_without_touching_it():
    encoder = NarrowConv().train()
    encoder.network[1].eval()
    before = {name: buffer.clone() for name, buffer in encoder.named_buffers()}
    assert grid_side(encoder, 32) == 8
    assert grid_side(TinyViT(), 16) == 4
    assert encoder.training
    assert not encoder.network[1].training
    assert all(torch.equal(before[n], b) for n, b in encoder.named_buffers())


def test_a_channelwise_layer_looks_across_the_grid_but_not_across_channels():
    layer = ChannelwiseLinear(3, 2)
    maps = torch.randn(1, 3, 2, 2, generator=generator(0), requires_grad=True)
    gradient = torch.autograd.grad(layer(maps)[0, 1, 0, 1], maps)[0]
    assert gradient[0, 1].all()
    assert not gradient[0, [0, 2]].any()


def test_drawing_does_not_depend_on_the_global_generator():
    network = ImageGenerator(5, 16, channels=4, prior="uniform")
    one = network.sample(3, generator(1))
    torch.manual_seed(99)
    assert torch.equal(network.sample(3, generator(1)), one)
    assert network.draw(1000, generator(2)).abs().max() <= 1


def test_a_player_that_is_held_passes_gradients_on_and_keeps_its_statistics():
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    seen = torch.randn(6, 3, generator=generator(3), requires_grad=True)
    call_frozen(network, seen).square().sum().backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    expected = torch.autograd.grad(network(seen).square().sum(), seen)[0]
    torch.testing.assert_close(seen.grad, expected)
    network.load_state_dict(before, strict=False)
    call_keeping_buffers(network, seen).square().sum().backward()
    assert network[1].weight.grad is not None
    assert all(torch.equal(before[n], b) for n, b in network.named_buffers())
