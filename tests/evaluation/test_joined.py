"""The encoder's features together with those of a simple alternative."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from headstart.config import EvaluateConfig
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.joined import joined
from headstart.evaluation.outcomes import Candidate
from headstart.evaluation.verdict import details, gains
from headstart.modalities.text.content import TEXT


def halves(seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return two views (600,4) that each tell one half of the classes apart, and the labels."""
    rng = np.random.default_rng(seed)
    classes = np.arange(600) % 4
    left, right = (rng.standard_normal((600, 4)) for _ in range(2))
    left[:, 0] += 6 * (classes % 2)
    right[:, 0] += 6 * (classes // 2)
    return left, right, [f"c{number}" for number in classes]


def test_blocks_weigh_the_same_whatever_their_unit_and_width() -> None:
    rng = np.random.default_rng(0)
    small, large = rng.standard_normal((50, 3)), 1000 + 500 * rng.standard_normal((50, 30))
    both = joined(
        Candidate("ours", "pretrained", small, small[:7]),
        Candidate("LSA", "baseline", large, large[:9][:7]),
    )
    assert both.name == "ours + LSA"
    assert both.train.shape == (50, 33)
    assert both.test.shape == (7, 33)
    for block in (both.train[:, :3], both.train[:, 3:]):
        np.testing.assert_allclose((block**2).sum(1).mean(), 1, rtol=1e-5)
    np.testing.assert_allclose(both.train[:7], both.test, atol=1e-6)


def test_the_verdict_takes_them_where_cross_validation_does() -> None:
    left, right, labels = halves(0)
    ours = Candidate("pre-trained", "pretrained", left[:400], left[400:])
    simple = Candidate("LSA", "baseline", right[:400], right[400:], ("logistic regression",))
    candidates = [ours, simple, joined(ours, simple)]
    config = EvaluateConfig(run="r", train="t", labels=["40", "all"], seeds=3)
    train, test = (
        Dataset.from_dict({"id": part, "label": part}) for part in (labels[:400], labels[400:])
    )
    found = gains(evaluate(candidates, train, test, config, TEXT))
    assert [gain.ours.candidate for gain in found] == ["pre-trained + LSA"] * 2
    assert [gain.sign for gain in found] == [1, 1]
    assert any("together with LSA against" in line for line in details(found))
