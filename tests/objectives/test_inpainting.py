"""Inpainting: the hole, both players by hand and apart, and that it learns."""

from __future__ import annotations

import copy

import pytest
import torch
from pretext import (
    NarrowConv,
    build,
    images,
    neighbours,
    pure,
    same_gradients,
    teach,
    without_gradient,
)
from torch.nn import functional as F

from headstart.objectives.inpainting import Inpainting
from headstart.seeding import generator

SMALL = {"channels": 8, "critic_channels": 4}


def test_at_128_pixels_the_block_is_64_and_the_band_7_as_published():
    objective = build(Inpainting, size=128, **SMALL)
    assert (objective.block, objective.band) == (64, 7)
    assert build(Inpainting, size=32, **SMALL).band == 2


@pytest.mark.parametrize("position", ["centre", "random"])
def test_the_hole_is_the_mean_of_what_is_around_it_and_the_block_is_what_was_there(position):
    objective = build(Inpainting, position=position, **SMALL)
    pixels = torch.rand(6, 3, 16, 16, generator=generator(0))
    objective.augment = lambda batch, generator, kind: {"pixels": pixels}
    batch = objective.corrupt({"pixels": pixels}, generator(1))
    corners = set()
    for row in range(6):
        hole = (batch["pixels"][row] != pixels[row]).any(0)
        rows, columns = hole.any(1).nonzero().flatten(), hole.any(0).nonzero().flatten()
        top, left = int(rows[0]) - 1, int(columns[0]) - 1
        corners.add((top, left))
        assert int(hole.sum()) == 36  # 8 x 8 without a band of 1
        assert hole[top + 1 : top + 7, left + 1 : left + 7].all()
        around = pixels[row][:, ~hole].mean(1)
        torch.testing.assert_close(batch["pixels"][row][:, hole], around[:, None].expand(-1, 36))
        assert torch.equal(batch["block"][row], pixels[row, :, top : top + 8, left : left + 8])
    assert corners == {(4, 4)} if position == "centre" else len(corners) > 2


def test_corruption_is_a_function_of_the_generator_and_leaves_the_batch_alone():
    pure(build(Inpainting, position="random", **SMALL))


def test_the_squared_error_weighs_the_band_ten_times():
    objective = build(Inpainting, NarrowConv(), weight=1.0, **SMALL).eval()
    assert objective.critic is None
    batch = objective.corrupt({"pixels": images(16)[:2]}, generator(2))
    drawn = objective.decoder(objective.encoder(batch).tokens).sigmoid()
    terms = []
    for row in range(2):
        for colour in range(3):
            for i in range(8):
                for j in range(8):
                    weight = 1 if 1 <= i < 7 and 1 <= j < 7 else 10
                    apart = drawn[row, colour, i, j] - batch["block"][row, colour, i, j]
                    terms.append(weight * apart**2)
    same_gradients(objective(batch)["loss"], torch.stack(terms).mean(), objective, 10)


def test_each_player_gets_the_gradient_of_its_own_step():
    """Against two steps of a naive training, each with a graph and a network of its own."""
    objective = build(Inpainting, NarrowConv(), weight=0.9, **SMALL).train()
    naive = copy.deepcopy(objective)
    batch = objective.corrupt({"pixels": images(16)[:16]}, generator(3))
    objective(batch)["loss"].backward()

    def judge(pixels, wanted):
        verdict = naive.critic(pixels)
        return F.binary_cross_entropy_with_logits(verdict, torch.full_like(verdict, wanted))

    drawn = naive.decoder(naive.encoder(batch).tokens).sigmoid()
    (judge(batch["block"], 1.0) + judge(drawn.detach(), 0.0)).backward()
    theirs = {n: p.grad.clone() for n, p in naive.critic.named_parameters()}
    buffers = {n: b.clone() for n, b in naive.critic.named_buffers()}
    weight = torch.full((8, 8), 10.0)
    weight[1:7, 1:7] = 1
    error = ((drawn - batch["block"]) ** 2 * weight).mean()
    (0.9 * error + 0.1 * judge(drawn, 1.0)).backward()
    for name, parameter in objective.named_parameters():
        player, _, rest = name.partition(".")
        wanted = theirs[rest] if player == "critic" else naive.get_parameter(name).grad
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-3, atol=1e-6)
    # Fooling the critic does not move its running statistics a third time.
    for name, buffer in objective.critic.named_buffers():
        torch.testing.assert_close(buffer, buffers[name])


def test_every_parameter_moves():
    assert without_gradient(build(Inpainting, **SMALL)) == []


def test_it_learns():
    objective = build(Inpainting, NarrowConv(), channels=32, critic_channels=16)
    history = teach(objective, 100)
    assert history["squared_error"][-1] < history["squared_error"][0] / 5
    assert neighbours(objective.encoder) > neighbours(NarrowConv()) + 0.03
