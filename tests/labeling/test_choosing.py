"""What to label next: coverage first, then uncertainty, and never a record twice."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.labeling.belief import uncertainty
from headstart.labeling.choosing import MIN_LABELS_PER_CLASS, badge, choose, k_center
from headstart.labeling.design import Believe, design
from headstart.labeling.gaussian_process import NOISE
from headstart.labeling.pool import Pool

METHODS = ["propagation", "coverage", "uncertainty", "k-center", "badge", "random"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def islands(sizes: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors (N,16) in well-parted groups of these sizes, and their groups (N,)."""
    random = rng(seed)
    centres = np.eye(16)[: len(sizes)]
    groups = np.repeat(np.arange(len(sizes)), sizes)
    spread = 0.05 * random.standard_normal((len(groups), 16))
    return (centres[groups] + spread).astype(np.float32), groups


def unsure(weights: np.ndarray) -> Believe:
    """Return beliefs in two classes whose uncertainty is ``weights`` (N,)."""
    return lambda indices: np.stack([1 - weights[indices] / 2, weights[indices] / 2], axis=1)


def groups_found(method: str, count: int, seed: int = 0) -> int:
    """Return in how many of five groups, one of 200 and one of 12, the first records lie."""
    vectors, groups = islands([200, 100, 50, 25, 12])
    chosen = choose(Pool(vectors), np.empty((0, 16)), [], count, method=method, rng=rng(seed))
    return len(set(groups[chosen.indices]))


def test_k_center_visits_every_group_before_any_twice() -> None:
    assert groups_found("k-center", 5) == 5


def test_random_choice_misses_small_groups_that_coverage_finds() -> None:
    found = [groups_found("random", 7, seed) for seed in range(5)]
    assert max(found) < 5 == groups_found("coverage", 7)


def test_groups_with_labels_come_after_those_without() -> None:
    vectors, groups = islands([100, 100, 100])
    pool = Pool(vectors)
    labeled = vectors[groups != 2][:150:30]
    indices, why = design(pool, pool.centred(labeled), 1, rng())
    assert groups[indices[0]] == 2
    assert "nearer to 100 records" in why[0]


@pytest.mark.parametrize("weighted", [False, True])
def test_the_design_is_the_greedy_choice_of_a_naive_search(weighted) -> None:
    vectors, _ = islands([30, 20, 10])
    allowed = rng(1).random(60) < 0.7
    pool = Pool(vectors, allowed)
    rows = pool.rows(np.arange(60)).astype(np.float64)
    labeled, weights = rows[[3, 35]].astype(np.float32), rng(2).random(60)
    indices, _ = design(pool, labeled, 6, rng(), unsure(weights) if weighted else None)

    def variance(names: list[int]) -> float:
        """Return the total posterior variance of a Gaussian process with these labels."""
        near = np.vstack([labeled.astype(np.float64), rows[names]])
        known = np.array([[np.exp(-((x - y) ** 2).sum() / 2) for y in near] for x in near])
        far = np.array([[np.exp(-((x - y) ** 2).sum() / 2) for y in near] for x in rows])
        solved = np.linalg.solve(known + NOISE * np.eye(len(near)), far.T)
        return float((1 - (far.T * solved).sum(0)) @ (weights if weighted else np.ones(60)))

    named: list[int] = []
    for index in indices:
        left = {n: variance([*named, n]) for n in np.flatnonzero(allowed) if n not in named}
        assert left[index] == pytest.approx(min(left.values()), abs=1e-5)
        named.append(int(index))
    assert variance(named) < 0.9 * variance(named[:1])


def test_the_farthest_is_that_of_a_naive_search() -> None:
    vectors, _ = islands([40, 40, 40])
    pool = Pool(vectors)
    labeled = pool.rows(np.array([3]))
    indices = k_center(pool, labeled, 4, rng())
    rows, covered = pool.rows(np.arange(len(pool))), [labeled[0]]
    for index in indices:
        distances = [min(1 - row @ other for other in covered) for row in rows]
        assert distances[index] == pytest.approx(max(distances), abs=1e-6)
        covered.append(rows[index])


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_named_twice_and_nothing_that_is_not_allowed(method) -> None:
    vectors, groups = islands([60, 60, 4])
    allowed = rng(1).random(len(vectors)) < 0.5
    labeled = vectors[~allowed]
    labels = [str(group) for group in groups[~allowed]]
    for count in (10, 1000):
        found = choose(Pool(vectors, allowed), labeled, labels, count, method=method, rng=rng())
        assert len(found.indices) == len(set(found.indices)) == min(count, allowed.sum())
        assert allowed[found.indices].all()
        assert len(found.why) == len(found.indices)


def test_the_margin_is_that_of_the_two_likeliest() -> None:
    probabilities = np.array([[0.5, 0.4, 0.1], [0.9, 0.05, 0.05], [0.34, 0.33, 0.33]])
    np.testing.assert_allclose(uncertainty(probabilities), [0.9, 0.15, 0.99])


def test_uncertain_regions_are_each_chosen_from() -> None:
    vectors, groups = islands([30, 30, 30])
    weights = np.where(groups == 2, 0.01, 1.0)
    pool = Pool(vectors)
    indices, _ = design(pool, np.empty((0, 16), np.float32), 2, rng(), unsure(weights))
    assert sorted(groups[indices]) == [0, 1]


def test_the_first_badge_choice_has_the_largest_explicit_gradient() -> None:
    vectors, _ = islands([20, 20])
    pool = Pool(vectors)
    probabilities = rng(2).dirichlet(np.ones(3), 40)
    first = int(badge(pool, probabilities, 1, rng())[0])
    error = probabilities - np.eye(3)[probabilities.argmax(1)]
    gradients = np.einsum("nk,nd->nkd", error, pool.rows(np.arange(40))).reshape(40, -1)
    assert first == np.linalg.norm(gradients, axis=1).argmax()


def test_a_probe_of_the_labels_alone_is_used_from_a_minimum_of_labels_per_class() -> None:
    vectors, groups = islands([100, 100])
    for count, used in (
        (2 * MIN_LABELS_PER_CLASS - 1, "coverage"),
        (2 * MIN_LABELS_PER_CLASS, "uncertainty"),
    ):
        indices = np.concatenate([np.flatnonzero(groups == g)[: count // 2 + 1] for g in (0, 1)])
        indices = indices[:count]
        labels = [str(group) for group in groups[indices]]
        labeled = vectors[indices]
        found = choose(Pool(vectors), labeled, labels, 3, method="uncertainty", rng=rng())
        assert found.method == used


@pytest.mark.parametrize("method", ["uncertainty", "propagation", "auto"])
def test_one_class_alone_falls_back_to_coverage(method) -> None:
    vectors, _ = islands([50, 50])
    found = choose(Pool(vectors), vectors[:30], ["a"] * 30, 3, method=method, rng=rng())
    assert found.method == "coverage"


def test_vectors_may_lie_on_disk_and_come_in_blocks(tmp_path, monkeypatch) -> None:
    vectors, _ = islands([80, 80, 80])
    np.save(tmp_path / "v.npy", vectors)
    stored = np.load(tmp_path / "v.npy", mmap_mode="r")
    whole = [
        choose(Pool(vectors), vectors[:0], [], 6, method=w, rng=rng()).indices for w in METHODS
    ]
    monkeypatch.setattr("headstart.labeling.choosing.BLOCK", 7)
    monkeypatch.setattr("headstart.labeling.pool.BLOCK", 7)
    parts = [choose(Pool(stored), vectors[:0], [], 6, method=w, rng=rng()).indices for w in METHODS]
    np.testing.assert_array_equal(whole, parts)


def test_many_are_chosen_in_rounds_that_know_of_each_other(monkeypatch) -> None:
    monkeypatch.setattr("headstart.labeling.design.ROUND", 2)
    vectors, groups = islands([50, 50, 50, 50, 50])
    indices, why = design(Pool(vectors), np.empty((0, 16), np.float32), 5, rng())
    assert sorted(groups[indices]) == [0, 1, 2, 3, 4]
    assert sum("no other label" in reason for reason in why) == 1


def test_samples_stand_for_very_many(monkeypatch) -> None:
    monkeypatch.setattr("headstart.labeling.design.CANDIDATES", 60)
    monkeypatch.setattr("headstart.labeling.design.KERNEL", 60 * 50)
    vectors, groups = islands([300, 300, 300])
    indices, why = design(Pool(vectors), np.empty((0, 16), np.float32), 3, rng())
    assert sorted(groups[indices]) == [0, 1, 2]
    assert why[0] == "no other label would tell as much about all records"
    last = int(why[2].removeprefix("nearer to ").split()[0])
    assert last == pytest.approx(300, rel=0.3)  # of all, though only a sample of 50 was compared
