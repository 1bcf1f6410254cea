"""The tests of a watch: right under the null, powerful, and the level shared by all of them."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.deployment.monitoring.mmd import discrepancy, kernel, mmd_test, witness
from headstart.deployment.monitoring.shifts import categories_test, means_test, moved_categories
from headstart.deployment.monitoring.watching import LEVEL, level_of, looks, spans


def test_the_discrepancy_is_that_of_its_definition() -> None:
    generator = np.random.default_rng(0)
    one, two = generator.normal(size=(5, 3)), generator.normal(size=(4, 3)) + 1
    similarities = kernel(np.concatenate([one, two]))
    found = discrepancy(similarities, 4)(np.arange(5, 9)[None, :])[0]
    inside = [similarities[i, j] for i in range(5) for j in range(5) if i != j]
    outside = [similarities[i, j] for i in range(5, 9) for j in range(5, 9) if i != j]
    between = [similarities[i, j] for i in range(5) for j in range(5, 9)]
    by_hand = np.mean(inside) + np.mean(outside) - 2 * np.mean(between)
    assert found == pytest.approx(by_hand, abs=1e-6)


def test_p_values_are_uniform_without_a_drift() -> None:
    found = []
    for turn in range(200):
        generator = np.random.default_rng(turn)
        one, two = generator.normal(size=(30, 2)), generator.normal(size=(20, 2))
        found.append(mmd_test(one, two, 0.05, generator).p_value)
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(found) <= level) <= level + 3 * (level * (1 - level) / 200) ** 0.5
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)


def test_a_few_foreign_records_are_seen_and_named() -> None:
    generator = np.random.default_rng(0)
    one, two = generator.normal(size=(200, 8)), generator.normal(size=(200, 8))
    two[:20] += 4
    assert mmd_test(one, two, 0.01, generator).p_value <= 0.01
    assert set(np.argsort(-witness(one, two))[:15]) <= set(range(20))


def test_classes_and_means_that_move_are_seen_and_others_are_not() -> None:
    generator = np.random.default_rng(0)
    before, after = ["a"] * 80 + ["b"] * 20, ["a"] * 40 + ["b"] * 50 + ["c"] * 10
    assert categories_test(before, after, 1e-3, generator).p_value <= 1e-3
    assert categories_test(before, before, 1e-3, generator).p_value > 0.5
    assert {each.name for each in moved_categories(before, after)[:2]} <= {"a", "b", "c"}
    low, high = generator.random(50), generator.random(50) + 0.5
    assert means_test(low, high, 1e-3, generator).p_value <= 1e-3
    assert means_test(low, low, 1e-3, generator).p_value > 0.5


def test_equal_features_are_no_drift() -> None:
    same = np.ones((40, 3))
    assert mmd_test(same, same, 0.01, np.random.default_rng(0)).p_value == 1


def test_runs_of_windows_are_those_right_before() -> None:
    assert [list(span) for span in spans(5)] == [[5], [4, 5]]
    assert [len(span) for span in spans(7)] == [1, 2, 4, 8]
    assert looks(100) == 197
    assert level_of(100, 2) * 2 * 197 == pytest.approx(LEVEL)


@pytest.mark.parametrize("kinds", [1, 3])
def test_a_whole_watch_has_the_level(kinds: int) -> None:
    """Uniform p-values, the worst case of independent tests: few watches have any alarm."""
    generator = np.random.default_rng(0)
    p_values = generator.random((2000, looks(20) * kinds))
    assert (p_values.min(1) <= level_of(20, kinds)).mean() <= LEVEL + 0.015
