"""The simulation says yes where choosing helps, and no where it cannot."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import HeadstartError
from headstart.labeling.simulation import simulate


def rare(count: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Return vectors of eight groups, each half as common as the one before, and their labels."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(8), [count >> index for index in range(1, 9)])
    vectors = np.eye(16)[groups] + 0.1 * random.standard_normal((len(groups), 16))
    return vectors.astype(np.float32), [f"g{group}" for group in groups]


def test_it_says_yes_where_groups_are_there_to_be_found() -> None:
    vectors, labels = rare(1024)
    found = simulate(vectors, labels, 8, budgets=[8, 16], seeds=5)
    assert found.headline.startswith("Yes: over 8 to 16 labels choosing gains +")
    assert found.overall.estimate.low > 0
    assert found.results.judged(8)[0].mean > found.results.judged(8)[1].mean


def test_it_says_no_where_vectors_know_nothing_of_the_labels() -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((400, 8)).astype(np.float32)
    labels = [str(number) for number in random.integers(0, 2, 400)]
    found = simulate(vectors, labels, 10, budgets=[10, 20], seeds=5)
    assert found.headline.startswith("No:")


def test_random_against_random_is_no_gain() -> None:
    vectors, labels = rare(512)
    found = simulate(vectors, labels, 8, method="random", budgets=[8, 16], seeds=5)
    assert found.headline.startswith("No:")


def test_the_same_seed_gives_the_same_curve() -> None:
    vectors, labels = rare(256)
    one, two = (simulate(vectors, labels, 8, budgets=[8], seeds=2, seed=3) for _ in range(2))
    assert one.summary() == two.summary()


def test_what_cannot_be_simulated_is_refused() -> None:
    vectors, labels = rare(256)
    with pytest.raises(HeadstartError, match="40 labeled records or more"):
        simulate(vectors[:20], labels[:20], 5)
    with pytest.raises(HeadstartError, match="lower --count"):
        simulate(vectors, labels, 500)


def test_no_tested_record_is_of_the_group_of_one_that_is_chosen_from() -> None:
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 4)
    vectors = random.standard_normal((100, 8)).astype(np.float32)[groups]
    labels = [str(number) for number in random.integers(0, 2, 100)[groups]]
    found = simulate(vectors, labels, 20, budgets=[60], seeds=3, groups=groups)
    assert found.results.judged(60)[1].mean < 0.7  # labels are random: a copy would know them


def test_copies_of_a_tested_record_are_one_piece_of_evidence() -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((100, 8)).astype(np.float32)
    labels = np.where(vectors[:, 0] + random.standard_normal(100) > 0, "a", "b")
    copied, groups = np.repeat(np.arange(100), 4), np.repeat(np.arange(100), 4)
    found = simulate(
        vectors[copied], list(labels[copied]), 20, budgets=[60], seeds=3, groups=groups
    )
    assert found.results.groups == 20
    ours, _ = found.results.judged(60)
    spread = (ours.by_resample.std() * np.sqrt(20)) / np.sqrt(ours.mean * (1 - ours.mean))
    assert spread == pytest.approx(1, abs=0.25)  # of 80 records alone it would be half of that
