"""Jigsaw: the set of permutations, the tiles, the loss by hand, and that it learns."""

from __future__ import annotations

import numpy as np
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

from headstart.objectives.jigsaw import Jigsaw, far_apart, own_scale
from headstart.seeding import generator


def test_permutations_are_valid_distinct_far_apart_and_always_the_same():
    orders = far_apart(64)
    assert orders.shape == (64, 9)
    assert (np.sort(orders, 1) == np.arange(9)).all()
    assert len(np.unique(orders, axis=0)) == 64
    apart = (orders[:, None] != orders[None]).sum(2)[~np.eye(64, dtype=bool)]
    # Random permutations differ in 8 of 9 positions on average; some pairs in 5 or fewer.
    assert apart.mean() > 8
    far_apart.cache_clear()
    assert np.array_equal(far_apart(64), orders)


def test_each_permutation_is_the_farthest_in_sum_from_those_before():
    from itertools import permutations

    orders = far_apart(4)
    every = np.array(list(permutations(range(9))))
    for count in (1, 2, 3):
        distance = sum((every != order).sum(1) for order in orders[:count])
        assert (orders[count] != orders[:count]).sum() == distance.max()


def test_tiles_come_from_the_cells_that_the_permutation_names():
    objective = build(Jigsaw, NarrowConv(), size=96, permutations=8, tile=0.75)
    cells = torch.arange(9).view(3, 3).repeat_interleave(32, 0).repeat_interleave(32, 1)
    rough = torch.rand(96, 96, generator=generator(0)) * 0.01
    image = (cells / 9 + rough).expand(20, 3, -1, -1)
    # Without its own scale, the brightness of a tile says from which cell it is.
    objective.augment = lambda batch, generator, kind: {"pixels": image}
    import headstart.objectives.jigsaw as module

    scale, module.own_scale = module.own_scale, lambda tiles: tiles
    try:
        batch = objective.corrupt({"pixels": image}, generator(1))
    finally:
        module.own_scale = scale
    seen = (batch["tiles"].mean((2, 3, 4)) * 9).floor().long()
    assert torch.equal(seen, objective.orders[batch["targets"]])


def test_each_tile_loses_its_own_brightness_and_contrast():
    tiles = torch.rand(2, 9, 3, 6, 6, generator=generator(2))
    same = own_scale(tiles)
    torch.testing.assert_close(same, own_scale(0.3 * tiles + 0.1), atol=1e-2, rtol=0)
    assert (same.mean((-2, -1)) - 0.5).abs().max() < 1e-5
    assert own_scale(torch.ones(1, 1, 3, 4, 4)).eq(0.5).all()


def test_corruption_is_a_function_of_the_generator_and_leaves_the_batch_alone():
    pure(build(Jigsaw))


def test_loss_and_gradients_equal_the_definition_written_out():
    objective = build(Jigsaw, NarrowConv(), hidden=8, permutations=5)
    objective.eval()
    batch = objective.corrupt({"pixels": images(16)[:3]}, generator(1))
    terms = []
    for row in range(3):
        tiles = [objective.encoder.pool({"pixels": tile[None]}) for tile in batch["tiles"][row]]
        logits = objective.head(torch.cat(tiles, 1))[0]
        terms.append(torch.logsumexp(logits, 0) - logits[int(batch["targets"][row])])
    same_gradients(objective(batch)["loss"], torch.stack(terms).mean(), objective, 10)


def test_every_parameter_moves():
    assert without_gradient(build(Jigsaw)) == []


def test_it_learns():
    objective = build(Jigsaw, NarrowConv(), size=32, permutations=32, hidden=256)
    history = teach(objective, 80, size=32)
    assert history["accuracy"][-1] > 0.6
    assert neighbours(objective.encoder, 32) > neighbours(NarrowConv(), 32) + 0.03
