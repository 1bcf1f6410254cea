"""The order of an epoch is a permutation and a pure function."""

from __future__ import annotations

import numpy as np

from headstart.seeding import order


def test_each_place_comes_once() -> None:
    assert np.array_equal(np.sort(order(0, 0, 1000)), np.arange(1000))
    assert order(0, 0, 0).shape == (0,)


def test_it_depends_on_seed_and_epoch_alone() -> None:
    first = order(3, 5, 1000)
    np.random.seed(1)
    np.random.rand(7)
    assert np.array_equal(order(3, 5, 1000), first)
    for other in (order(3, 6, 1000), order(4, 5, 1000), order(5, 3, 1000)):
        assert not np.array_equal(other, first)


def test_the_order_of_a_seed_never_changes() -> None:
    assert order(0, 0, 8).tolist() == [3, 1, 7, 0, 5, 6, 4, 2]
