"""Drift: power against the domain-classifier rule, and false alarms over whole watches.

Records are IMDb reviews, what is foreign are questions to a bank (banking77); both as features of
a small run that was trained on other reviews. The peer is the rule of common monitors for
embeddings: a logistic regression tells baseline and new apart on one half, and an AUC above 0.55 on
the other half is called drift. Whole watches are simulated on records without any drift, drawn
without replacement, and with a weak drift that lasts.

    python benchmarks/drift.py --run runs/reviews
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
from setting import announce, data
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import headstart as hs
from headstart.deployment.monitoring.mmd import mmd_test
from headstart.deployment.monitoring.watching import level_of, spans

LETTERS = 300


def drawn(
    own: np.ndarray, foreign: np.ndarray, size: int, share: float, generator: np.random.Generator
) -> np.ndarray:
    """Return a window of records of which a share is foreign."""
    odd = round(share * size)
    rows = [own[generator.choice(len(own), size - odd, replace=False)]]
    rows.append(foreign[generator.choice(len(foreign), odd, replace=False)])
    return np.concatenate(rows)


def domain_rule(one: np.ndarray, two: np.ndarray, generator: np.random.Generator) -> bool:
    """Return whether a classifier tells the samples apart with an AUC above 0.55."""
    both = np.concatenate([one, two])
    labels = np.repeat([0, 1], [len(one), len(two)])
    order = generator.permutation(len(both))
    train, test = order[: len(both) // 2], order[len(both) // 2 :]
    model = LogisticRegression(max_iter=300, class_weight="balanced")
    model.fit(both[train], labels[train])
    scores = model.predict_proba(both[test])[:, 1]
    return bool(roc_auc_score(labels[test], scores) > 0.55)


def power(own: np.ndarray, foreign: np.ndarray, turns: int) -> None:
    """Print how often each side calls drift, at several sizes and shares."""
    for size, share in ((200, 0.0), (200, 0.1), (1000, 0.0), (1000, 0.05)):
        seen = {"MMD, p <= 0.05": 0, "domain classifier": 0}
        for turn in range(turns):
            generator = np.random.default_rng([turn, size])
            order = generator.permutation(len(own))
            one = own[order[:size]]
            two = drawn(own[order[size:]], foreign, size, share, generator)
            seen["MMD, p <= 0.05"] += mmd_test(one, two, 0.05, generator).p_value <= 0.05
            seen["domain classifier"] += domain_rule(one, two, generator)
        shares = ", ".join(f"{name} {count / turns:.0%}" for name, count in seen.items())
        print(f"  {size} records, {share:.0%} foreign: {shares} ({turns} draws)", flush=True)


def watches(
    own: np.ndarray, foreign: np.ndarray, share: float, turns: int, size: int, baseline: int
) -> None:
    """Print how many watches of 100 windows raise an alarm, and when, by both kinds of spans.

    A drift lasts from the first window on; a watch ends with its first alarm.
    """
    first: dict[str, list[int]] = {"windows alone": [], "windows and runs of them": []}
    for turn in range(turns):
        generator = np.random.default_rng([turn, 7])
        order = generator.permutation(len(own))
        one, rest = own[order[:baseline]], own[order[baseline:]]
        odd, windows = round(share * size), []
        for start in range(0, 100 * (size - odd), size - odd):
            extra = foreign[generator.choice(len(foreign), odd, replace=False)]
            windows.append(np.concatenate([rest[start : start + size - odd], extra]))
        levels = {"windows alone": 0.05 / 100, "windows and runs of them": level_of(100, 1)}
        found: dict[str, int] = {}
        for window in range(100):
            for span in spans(window):
                every = np.concatenate([windows[each] for each in span])
                if len(every) > 2 * baseline:  # as `--sample` does
                    every = every[generator.choice(len(every), 2 * baseline, replace=False)]
                p_value = mmd_test(one, every, min(levels.values()), generator).p_value
                for name, level in levels.items():
                    if p_value <= level and (len(span) == 1 or name != "windows alone"):
                        found.setdefault(name, window)
            if len(found) == len(levels) or (share and window >= 31):
                break
        for name, window in found.items():
            first[name].append(window)
    for name, alarms in first.items():
        when = f", in the median at window {int(np.median(alarms)) + 1}" if alarms else ""
        print(f"  {name}: {len(alarms)} of {turns} watches raise an alarm{when}", flush=True)


def main() -> None:
    """Measure power and false alarms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--turns", type=int, default=100)
    parser.add_argument("--watches", type=int, default=100)
    parser.add_argument("--size", type=int, default=50)
    parser.add_argument("--baseline", type=int, default=400)
    parser.add_argument("--watches-only", action="store_true")
    arguments = parser.parse_args()
    announce("drift")
    with gzip.open(data("imdb") / "test.jsonl.gz", "rt", encoding="utf-8") as file:
        reviews = [json.loads(line)["text"][:LETTERS] for line in file][::2]
    lines = (data("banking77") / "test.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line)["text"] for line in lines]
    own, foreign = (hs.embed(arguments.run, texts, quiet=True) for texts in (reviews, questions))
    assert not isinstance(own, Path)
    assert not isinstance(foreign, Path)
    if not arguments.watches_only:
        power(own, foreign, arguments.turns)
    sizes = arguments.size, arguments.baseline
    print(f"\nno drift, 100 windows of {arguments.size}, baseline of {arguments.baseline}")
    watches(own, foreign, 0.0, arguments.watches, *sizes)
    for share in (0.05, 0.1):
        print(f"\n{share:.0%} foreign from the first window on, 32 windows looked at")
        watches(own, foreign, share, max(20, arguments.watches // 5), *sizes)


if __name__ == "__main__":
    main()
