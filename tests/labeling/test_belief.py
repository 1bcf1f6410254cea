"""Beliefs come from labels and from what they spread, and decide what is asked about next."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.data.vectors import unit_length
from headstart.evaluation.heads.logistic import LogisticRegression
from headstart.evaluation.heads.propagation import Graph
from headstart.labeling.belief import Belief
from headstart.labeling.choosing import choose
from headstart.labeling.pool import Pool
from headstart.labeling.simulation import simulate


def moons(each: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors (N,3) of two interleaving half circles, and which one (N,) each is on."""
    angle = np.linspace(0, np.pi, each)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.array([1.0, 0.4]) - upper
    plane = np.concatenate([upper, lower])
    rows = np.column_stack([plane, np.full(len(plane), 2.0)])
    return unit_length(rows.astype(np.float32)), np.repeat([0, 1], each)


def arc(low: float, high: float, count: int) -> np.ndarray:
    """Return vectors (n,3) on an arc of the unit circle, in degrees."""
    angle = np.radians(np.linspace(low, high, count))
    return np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1).astype(np.float32)


def test_labels_reach_what_no_line_separates() -> None:
    vectors, classes = moons()
    labeled = np.array([0, 60, 119, 120, 180, 239])
    rows, codes = vectors[labeled], classes[labeled]
    alone = LogisticRegression(vectors).fit_plainly(rows, codes).predict(vectors)
    found = Belief(Graph(vectors)).fit(rows, codes).probabilities(vectors).argmax(1)
    assert (alone == classes).mean() < 0.9
    assert (found == classes).mean() > 0.97


def test_labels_that_reach_few_records_spread_nothing() -> None:
    vectors = np.concatenate([arc(0, 3, 40), arc(60, 70, 100), arc(120, 130, 100)])
    labeled, codes = vectors[:8], np.array([0, 1] * 4)
    expected = LogisticRegression(vectors).fit_plainly(labeled, codes).probabilities(vectors)
    found = Belief(Graph(vectors)).fit(labeled, codes).probabilities(vectors)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("method", ["propagation", "auto"])
def test_what_the_labels_spread_to_is_not_asked_about(method, monkeypatch) -> None:
    """The end of a dense arc is as near to the other label, yet what spreads along it is known."""
    known, other = arc(0, 75, 40), arc(140, 150, 20)
    lone = np.array([[0.0, 0.02 * number, 1.0] for number in range(11)], np.float32)
    vectors, labels = unit_length(np.concatenate([known, other, lone])), ["a", "a", "b", "b"]
    pool, labeled = Pool(vectors), vectors[[0, 1, 50, 51]]

    def first() -> int:
        found = choose(pool, labeled, labels, 1, method=method, rng=np.random.default_rng(0))
        assert "leave it open: " in found.why[0]
        return int(found.indices[0])

    assert first() >= 60
    monkeypatch.setattr("headstart.labeling.belief.COVERAGE", np.inf)  # nothing is spread
    assert first() < 40


def test_a_reason_tells_sure_from_open() -> None:
    vectors, classes = moons()
    labeled = np.array([0, 60, 119, 120, 180, 239])
    labels = [f"moon {code}" for code in classes[labeled]]
    pool = Pool(vectors).without(labeled)
    found = choose(pool, vectors[labeled], labels, 30, rng=np.random.default_rng(0))
    assert not set(found.indices) & set(labeled)
    sure = [why for why in found.why if "the labels so far say moon" in why]
    assert sure
    assert all(float(why.split()[-1]) >= 0.75 for why in sure)


def test_a_simulation_judges_by_what_labels_spread() -> None:
    vectors, classes = moons(300)
    found = simulate(vectors, list(classes.astype(str)), 12, budgets=[12], seeds=3)
    assert min(outcome.mean for outcome in found.results.judged(12)) > 0.9
