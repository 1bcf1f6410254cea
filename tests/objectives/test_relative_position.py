"""Relative position: where the patches are cut, colour fringes, the loss, and that it learns."""

from __future__ import annotations

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

from headstart.objectives.relative_position import (
    NEIGHBOURS,
    RelativePosition,
    one_channel,
    without_fringes,
)
from headstart.seeding import generator


class Ruler:
    """A processor whose images say in their colours where a pixel lies."""

    side = 96

    def augment(self, batch, generator, kind="weak"):
        line = torch.arange(96.0) / 96
        rows, columns = torch.meshgrid(line, line, indexing="ij")
        image = torch.stack([rows, columns, torch.zeros(96, 96)])
        return {"pixels": image.expand(len(batch["pixels"]), -1, -1, -1)}


def test_the_neighbour_lies_where_the_target_says_a_patch_and_a_half_away():
    objective = RelativePosition(NarrowConv(), Ruler(), RelativePosition.Options())
    assert (objective.patch, objective.side) == (24, 32)
    objective.side = 24  # so that the ruler can be read
    batch = objective.corrupt({"pixels": torch.zeros(400, 1)}, generator(0))
    corners = (batch["tiles"][:, :, :2, 0, 0] * 96).round()
    apart = corners[:, 1] - corners[:, 0]
    wanted = torch.tensor(NEIGHBOURS)[batch["targets"]] - 1
    # Two jitters of two pixels each; at the edge of the image they can only point inwards.
    assert (apart - 36 * wanted).abs().max() <= 4
    assert (apart - 36 * wanted).abs().max() >= 3
    assert torch.bincount(batch["targets"], minlength=8).min() > 25


def test_corruption_is_a_function_of_the_generator_and_leaves_the_batch_alone():
    for colour in ("keep", "drop"):
        pure(build(RelativePosition, colour=colour))


def test_projection_leaves_nothing_along_green_to_magenta():
    tiles = torch.rand(2, 2, 3, 4, 4, generator=generator(1))
    flat = without_fringes(tiles)
    axis = torch.tensor([-1.0, 2.0, -1.0])
    assert torch.einsum("bnchw,c->bnhw", flat, axis).abs().max() < 1e-6
    matrix = torch.eye(3) - axis[:, None] * axis / 6
    torch.testing.assert_close(flat[1, 0, :, 2, 3], matrix @ tiles[1, 0, :, 2, 3])


def test_dropping_colours_keeps_one_channel_of_both_patches_and_noise_elsewhere():
    tiles = torch.rand(40, 2, 3, 8, 8, generator=generator(2))
    dropped = one_channel(tiles, generator(3))
    kept = (dropped == tiles).all(-1).all(-1)
    assert (kept.sum(2) == 1).all()
    assert torch.equal(kept[:, 0], kept[:, 1])
    assert kept[:, 0].any(0).all()
    deviation = dropped.std((-2, -1))[~kept]
    assert 0 < deviation.max() < 0.02


@pytest.mark.parametrize("size", [16, 32])
def test_loss_and_gradients_equal_the_definition_written_out(size):
    objective = build(RelativePosition, NarrowConv(), hidden=8, size=size)
    objective.eval()
    batch = objective.corrupt({"pixels": images(size)[:4]}, generator(1))
    terms = []
    for row in range(4):
        centre, other = (
            objective.encoder.pool({"pixels": batch["tiles"][row, i, None]}) for i in (0, 1)
        )
        logits = objective.head(torch.cat([centre, other], 1))[0]
        terms.append(torch.logsumexp(logits, 0) - logits[int(batch["targets"][row])])
    same_gradients(objective(batch)["loss"], torch.stack(terms).mean(), objective, 10)


def test_every_parameter_moves():
    assert without_gradient(build(RelativePosition)) == []


def test_it_learns():
    objective = build(RelativePosition, NarrowConv(), size=32, hidden=128)
    history = teach(objective, 150, size=32)
    assert sum(history["accuracy"][-10:]) / 10 > 0.35
    assert neighbours(objective.encoder, 32) > neighbours(NarrowConv(), 32) + 0.04
