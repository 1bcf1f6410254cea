"""What to label next: coverage first, then doubt, and never the same thing twice."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.downstream.choosing import (
    ENOUGH,
    Pool,
    badge,
    by_margin,
    choose,
    clusters,
    k_center,
    typical,
    unsure,
    unsure_clusters,
)

WAYS = ["typical", "unsure", "k-center", "badge", "random"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def islands(sizes: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors (N,16) in well-parted groups of these sizes, and their groups (N,)."""
    random = rng(seed)
    centres = np.eye(16)[: len(sizes)]
    groups = np.repeat(np.arange(len(sizes)), sizes)
    spread = 0.05 * random.standard_normal((len(groups), 16))
    return (centres[groups] + spread).astype(np.float32), groups


@pytest.mark.parametrize("way", ["typical", "k-center"])
def test_coverage_asks_about_every_group_once_before_any_twice(way) -> None:
    vectors, groups = islands([200, 100, 50, 25, 12])
    chosen = choose(Pool(vectors), np.empty((0, 16)), [], 5, way=way, rng=rng())
    assert sorted(groups[chosen.places]) == [0, 1, 2, 3, 4]


def test_random_choice_misses_small_groups_that_coverage_finds() -> None:
    vectors, groups = islands([200, 100, 50, 25, 12])
    found = [
        len(set(groups[choose(Pool(vectors), np.empty((0, 16)), [], 5, way=w, rng=rng(s)).places]))
        for w in ("random", "typical")
        for s in range(5)
    ]
    assert max(found[:5]) < 5 == min(found[5:])


def test_groups_with_labels_come_after_those_without() -> None:
    vectors, groups = islands([100, 100, 100])
    pool = Pool(vectors)
    labeled = vectors[groups != 2][:150:30]
    places, why = typical(pool, pool.place(labeled), 1, rng())
    assert groups[places[0]] == 2
    assert "no label yet" in why[0]


def test_the_typical_is_nearer_to_its_group_than_most() -> None:
    vectors, groups = islands([300, 300])
    pool = Pool(vectors)
    places, _ = typical(pool, np.empty((0, 16), np.float32), 2, rng())
    for place in places:
        inside = pool.rows(np.flatnonzero(groups == groups[place]))
        nearness = inside @ unit_mean(inside)
        assert (pool.rows(places[places == place])[0] @ unit_mean(inside)) > np.median(nearness)


def unit_mean(rows: np.ndarray) -> np.ndarray:
    mean = rows.mean(0)
    return mean / np.linalg.norm(mean)


def test_the_farthest_is_that_of_a_naive_search() -> None:
    vectors, _ = islands([40, 40, 40])
    pool = Pool(vectors)
    labeled = pool.rows(np.array([3]))
    places = k_center(pool, labeled, 4, rng())
    rows, covered = pool.rows(np.arange(len(pool))), [labeled[0]]
    for place in places:
        apart = [min(1 - row @ other for other in covered) for row in rows]
        assert apart[place] == pytest.approx(max(apart), abs=1e-6)
        covered.append(rows[place])


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_named_twice_and_nothing_that_is_not_allowed(way) -> None:
    vectors, groups = islands([60, 60, 4])
    allowed = rng(1).random(len(vectors)) < 0.5
    labeled = vectors[~allowed]
    labels = [str(group) for group in groups[~allowed]]
    for count in (10, 1000):
        found = choose(Pool(vectors, allowed), labeled, labels, count, way=way, rng=rng())
        assert len(found.places) == len(set(found.places)) == min(count, allowed.sum())
        assert allowed[found.places].all()
        assert len(found.why) == len(found.places)


def test_the_margin_is_that_of_the_two_likeliest() -> None:
    chances = np.array([[0.5, 0.4, 0.1], [0.9, 0.05, 0.05], [0.34, 0.33, 0.33]])
    np.testing.assert_allclose(unsure(chances), [0.9, 0.15, 0.99])
    pool = Pool(np.eye(3, dtype=np.float32))
    assert list(by_margin(pool, chances, 2)) == [2, 0]


def test_doubt_is_asked_about_in_several_places() -> None:
    vectors, groups = islands([30, 30, 30])
    chances = np.full((90, 2), 0.5)
    chances[groups == 2] = [0.99, 0.01]
    places = unsure_clusters(Pool(vectors), chances, 2, rng(), among=30)
    assert sorted(groups[places]) == [0, 1]


def test_gradients_compare_as_if_they_were_written_out() -> None:
    vectors, _ = islands([20, 20])
    pool = Pool(vectors)
    chances = rng(2).dirichlet(np.ones(3), 40)
    first = int(badge(pool, chances, 1, rng())[0])
    error = chances - np.eye(3)[chances.argmax(1)]
    gradients = np.einsum("nk,nd->nkd", error, pool.rows(np.arange(40))).reshape(40, -1)
    assert first == np.linalg.norm(gradients, axis=1).argmax()


def test_doubt_takes_over_once_there_are_enough_labels_a_class() -> None:
    vectors, groups = islands([100, 100])
    for count, way in ((2 * ENOUGH - 1, "typical"), (2 * ENOUGH, "unsure")):
        places = np.concatenate([np.flatnonzero(groups == g)[: count // 2 + 1] for g in (0, 1)])
        places = places[:count]
        labels = [str(group) for group in groups[places]]
        assert choose(Pool(vectors), vectors[places], labels, 3, rng=rng()).way == way


def test_one_class_alone_gives_nothing_to_doubt() -> None:
    vectors, _ = islands([50, 50])
    found = choose(Pool(vectors), vectors[:30], ["a"] * 30, 3, way="unsure", rng=rng())
    assert found.way == "typical"


def test_vectors_may_lie_on_disk_and_come_in_blocks(tmp_path, monkeypatch) -> None:
    vectors, _ = islands([80, 80, 80])
    np.save(tmp_path / "v.npy", vectors)
    stored = np.load(tmp_path / "v.npy", mmap_mode="r")
    whole = [choose(Pool(vectors), vectors[:0], [], 6, way=w, rng=rng()).places for w in WAYS]
    monkeypatch.setattr("headstart.downstream.choosing.BLOCK", 7)
    parts = [choose(Pool(stored), vectors[:0], [], 6, way=w, rng=rng()).places for w in WAYS]
    np.testing.assert_array_equal(whole, parts)


def test_clusters_are_found_on_a_sample_of_very_many(monkeypatch) -> None:
    monkeypatch.setattr("headstart.downstream.choosing.SAMPLE", 60)
    vectors, groups = islands([300, 300, 300])
    cluster, centres = clusters(Pool(vectors), 3, rng())
    assert len(centres) == 3
    assert all(len(set(cluster[groups == group])) == 1 for group in range(3))
