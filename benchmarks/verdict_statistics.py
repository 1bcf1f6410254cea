"""Can the verdict be trusted? How often it claims what is not so, and whether intervals cover.

Worlds are simulated in which the truth is known. In each, every record has two kinds of noise in
its features: one that all encoders share (hard records are hard for all of them) and one of its
own; all candidates learn from the same label draws and are tested on the same records. A simple
discriminant (ridge regression to -1 and 1) stands for the probe, so that two hundred evaluations
with 16 fits a candidate take a minute. The rest is the product: draws, protocol, statistics.

A/A: pre-training is as good as the best alternative, so every claim of a gain or a loss is false.
A/B: its features tell more; the truth is the mean over as many other worlds.

    python benchmarks/verdict_statistics.py [--worlds 200]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from datasets import Dataset

from headstart.config import EvaluateConfig
from headstart.evaluation.equivalence import needed
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.outcomes import Candidate, Kind, Results
from headstart.evaluation.verdict import Gain, gains
from headstart.modalities.text.content import TEXT

WIDTH, TRAINING, TESTED = 24, 3000, 1000
LABELS = ["10", "100", "1000", "all"]
NAMES = np.array(["no", "yes"])


def ridge(train: np.ndarray, signs: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return 0 or 1 for each test row: the sign of a ridge regression."""
    middle = train.mean(0)
    rows = train - middle
    gram = rows.T @ rows + 3.0 * np.eye(rows.shape[1])
    weights = np.linalg.solve(gram, rows.T @ signs)
    return ((test - middle) @ weights > 0).astype(np.int64)


def world(
    seed: int, signals: dict[str, tuple[Kind, float]]
) -> tuple[list[Candidate], Dataset, Dataset]:
    """Return candidates whose features tell the label as strongly as ``signals`` say."""
    rng = np.random.default_rng(seed)
    classes = np.arange(TRAINING + TESTED) % 2
    signs = 2.0 * classes - 1
    shared = rng.standard_normal((len(classes), WIDTH))
    candidates = []
    for name, (kind, signal) in signals.items():
        rows = 0.7 * shared + 0.7 * rng.standard_normal(shared.shape)
        rows[:, :4] += signal * signs[:, None]

        def fit_predict(indices: np.ndarray, seed: int, rows: np.ndarray = rows) -> list[str]:
            found = ridge(rows[:TRAINING][indices], signs[:TRAINING][indices], rows[TRAINING:])
            return NAMES[found].tolist()

        candidates.append(Candidate(name, kind, fit_predict=fit_predict))
    names = NAMES[classes].tolist()
    return (
        candidates,
        Dataset.from_dict({"label": names[:TRAINING]}),
        Dataset.from_dict({"label": names[TRAINING:]}),
    )


def judged(seed: int, signals: dict[str, tuple[Kind, float]]) -> tuple[Results, list[Gain]]:
    """Evaluate one world."""
    candidates, train, test = world(seed, signals)
    config = EvaluateConfig(run="run", train="train", labels=LABELS, seed=seed)
    results = evaluate(candidates, train, test, config, TEXT)
    return results, gains(results)


def false_claims(worlds: int, signals: dict[str, tuple[Kind, float]]) -> None:
    """Print in how many reports anything is claimed."""
    found = [judged(seed, signals)[1] for seed in range(worlds)]
    gained = sum(any(gain.sign > 0 for gain in each) for each in found)
    lost = sum(any(gain.sign < 0 for gain in each) for each in found)
    either = sum(any(gain.sign != 0 for gain in each) for each in found)
    single = np.mean([gain.difference.low > 0 for each in found for gain in each])
    print(
        f"A/A against {len(signals) - 1}: of {worlds} reports {gained} claim a gain, {lost} a "
        f"loss, {100 * either / worlds:.1f}% either; intervals by themselves lie above 0 in "
        f"{100 * single:.1f}%"
    )


def coverage(worlds: int, signals: dict[str, tuple[Kind, float]]) -> None:
    """Print how often the intervals of the gain and of the labels' worth cover the truth."""
    curves = np.zeros((1, len(signals), len(LABELS)))
    for seed in range(worlds):
        results, _ = judged(10_000 + seed, signals)
        means = [[outcome.mean for outcome in results.judged(n)] for n in results.counts]
        curves += np.array(means).T / worlds
    truth = curves[0, 0] - curves[0, 1:].max(0)
    worth = needed(curves, list(results.counts))[0]
    found = [judged(seed, signals)[1] for seed in range(worlds)]
    for index, gain in enumerate(found[0]):
        row = [each[index].difference for each in found]
        inside = np.mean([each.low <= truth[index] <= each.high for each in row])
        wide = np.mean([each.high - each.low for each in row]) / 2
        claimed = np.mean([each[index].sign > 0 for each in found])
        print(
            f"A/B {gain.name} labels: true gain {100 * truth[index]:+.2f} points; the interval "
            f"(half width {100 * wide:.2f}) covers it in {100 * inside:.1f}%; claimed in "
            f"{100 * claimed:.0f}%"
        )
        worths = [each[index].equivalent for each in found]
        edges = [(worth.low, worth.high) for worth in worths if worth]
        inside = np.mean([low <= worth[index] <= high for low, high in edges])
        print(
            f"    they do the work of {worth[index]:.0f}; the interval (median "
            f"{np.median(edges, axis=0).round()}) covers it in {100 * inside:.1f}%"
        )


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    worlds = parser.parse_args().worlds
    start = time.perf_counter()
    ours: tuple[Kind, float] = ("pretrained", 0.35)
    weak: tuple[Kind, float] = ("untrained", 0.1)
    same: tuple[Kind, float] = ("baseline", 0.35)
    false_claims(worlds, {"ours": ours, "one": same})
    false_claims(worlds, {"ours": ours, "one": same, "two": same, "three": same, "weak": weak})
    for signal in (0.3, 0.2):
        coverage(worlds, {"ours": ours, "one": ("baseline", signal)})
    print(f"{time.perf_counter() - start:.0f} seconds")


if __name__ == "__main__":
    main()
