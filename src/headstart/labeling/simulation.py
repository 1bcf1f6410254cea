"""Is choosing what to label better than labeling random records? A simulation on labeled records.

Their labels are hidden and revealed round after round: once for the records that were chosen, once
for random ones. Both teach the same model, which is tested on records that neither may choose:
logistic regression, averaged with what the labels spread over the records that were chosen from.
This is what ``finetune --unlabeled`` would make of them, but for its cross-validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.batch import Progress
from headstart.data.split import split
from headstart.errors import HeadstartError
from headstart.evaluation.comparison import plain
from headstart.evaluation.equivalence import equivalents
from headstart.evaluation.intervals import LEVEL, Change, compare, holm
from headstart.evaluation.outcomes import ACCURACY, Candidate, Kind, Outcome, Results
from headstart.evaluation.protocols.resampling import averaged
from headstart.evaluation.protocols.scoring import outcome_of
from headstart.evaluation.verdict import points, score
from headstart.labeling.belief import Belief
from headstart.labeling.choosing import choose
from headstart.labeling.pool import Pool
from headstart.pages.markup import listed
from headstart.seeding import numbers

#: Most records to choose from, and to test on; rounds; and fewest records for a simulation.
POOL, TESTED, ROUNDS, FEWEST = 4000, 4000, 4, 40
#: Share of the untested records that each repetition chooses from. With nearly all of them, every
#: repetition would choose nearly the same, and the interval would be too narrow.
_SHARE = 0.5
#: The model that both sides teach.
_MODEL = "logistic regression with label propagation"


@dataclass(frozen=True)
class Simulation:
    """The value of choosing over random choice.

    Attributes:
        results: outcomes of the candidates ``chosen`` and ``random``.
        changes: chosen minus random, by number of labels.
        overall: the same, averaged over all numbers of labels.
        p_values: two-sided, adjusted for the number of comparisons (Holm).
    """

    results: Results
    changes: dict[int, Change]
    overall: Change
    p_values: dict[int, float]

    def sign(self, labels: int) -> int:
        """Return 1 where choosing is better, -1 where random choice is, else 0."""
        if self.p_values[labels] > LEVEL:
            return 0
        return 1 if self.changes[labels].estimate.mean > 0 else -1

    @property
    def headline(self) -> str:
        """The answer in one sentence, of the whole curve first, which is one comparison."""
        gain, (low, high) = points(self.overall.estimate.mean), _edges(self.overall)
        counts = list(self.changes)
        over = f"with {counts[0]:,} labels"
        if len(counts) > 1:
            over = f"over {counts[0]:,} to {counts[-1]:,} labels"
        if self.overall.estimate.low > 0:
            answer = f"Yes: {over} choosing gains {gain} points on average [{low}, {high}]"
            where = [f"{labels:,}" for labels in counts if self.sign(labels) > 0]
            clear = f", clearly with {listed(where)}" if where and len(counts) > 1 else ""
            return f"{answer} over random choice{clear}."
        if self.overall.estimate.high < 0:
            return f"No: {over} random choice is better, choosing changes {gain} points " + (
                f"[{low}, {high}]; label at random."
            )
        return (
            f"No: {over} choosing is not clearly better than random choice on these records "
            f"({gain} points on average [{low}, {high}])."
        )

    def lines(self) -> list[str]:
        """Return a line per number of labels: both accuracies, the difference, its interval."""
        worth = equivalents(self.results)
        found = []
        for labels, change in self.changes.items():
            ours, random = self.results.judged(labels)
            line = (
                f"{labels:,} labels: {score(ours.mean)} chosen, {score(random.mean)} at random, "
                f"{points(change.estimate.mean)} points [{', '.join(_edges(change))}]"
            )
            if self.sign(labels) > 0 and labels in worth:
                line += f"; random choice needs {worth[labels]}"
            found.append(line)
        return found

    def summary(self) -> dict[str, Any]:
        """Return plain values: the answer and the curve."""
        rows = []
        for labels, change in self.changes.items():
            ours, random = self.results.judged(labels)
            rows.append(
                {
                    "labels": labels,
                    "chosen": round(ours.mean, 5),
                    "random": round(random.mean, 5),
                    **plain(change.estimate, "difference"),
                    "outcome": {1: "better", 0: "no clear difference", -1: "worse"}[
                        self.sign(labels)
                    ],
                }
            )
        return {
            "answer": self.headline,
            **plain(self.overall.estimate, "gain"),
            "curve": rows,
            "seeds": self.results.seeds,
        }


def simulate(
    vectors: np.ndarray,
    labels: Sequence[str],
    count: int,
    *,
    method: str = "auto",
    seeds: int = 20,
    seed: int = 0,
    budgets: Sequence[int] = (),
    groups: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Simulation:
    """Compare choosing with random choice on records (N,D) whose labels are known.

    A fifth of the records is tested, the same in all repetitions; each repetition chooses from
    another random half of the rest.

    Args:
        labels: N class names.
        count: labels in the first round; then twice, four times and eight times as many.
        method: see :func:`headstart.labeling.choosing.choose`.
        seeds: number of repetitions.
        budgets: rising numbers of labels, instead of those that follow from ``count``.
        groups: (N,) int64, records that stay together, and of which intervals resample wholes;
            None where each stands alone.
        progress: called with the number of simulations done and the total.

    Raises:
        HeadstartError: too few records, or one class only.
    """
    if len(labels) < FEWEST:
        raise HeadstartError(
            f"a simulation needs {FEWEST} labeled records or more, and there are {len(labels)}; "
            "name a larger file with --simulate."
        )
    names, classes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    rest, tested = split(list(labels), seed=seed, groups=groups)
    rng = numbers(seed, "tested")
    tested = np.sort(rng.permutation(tested)[:TESTED])
    size = min(POOL, int(_SHARE * len(rest)))
    budgets = [n for n in (budgets or [count * 2**k for k in range(ROUNDS)]) if n <= size // 2]
    if not budgets:
        raise HeadstartError(
            f"{count} labels cannot be chosen from {size} records and leave a choice; lower "
            "--count, or simulate on more labeled records."
        )
    right: dict[tuple[str, int], list[np.ndarray]] = {}
    for repetition in range(seeds):
        indices = rest[numbers(seed, "pool", repetition).permutation(len(rest))[:size]]
        pool, known = vectors[indices], classes[indices]
        space, test = Pool(pool), np.asarray(vectors[tested])
        belief = Belief(space.graph)
        for side, rule in (("chosen", method), ("random", "random")):
            have = np.empty(0, dtype=np.int64)
            for budget in budgets:
                found = choose(
                    space.without(have),
                    pool[have],
                    list(names[known[have]]),
                    budget - len(have),
                    method=rule,
                    rng=numbers(seed, side, repetition, budget),
                )
                have = np.concatenate([have, found.indices])
                predicted = _predictions(belief, pool[have], known[have], test)
                right.setdefault((side, budget), []).append(predicted)
            if progress:
                progress(2 * repetition + 1 + (side == "random"), 2 * seeds)
    together = None if groups is None else np.unique(groups[tested], return_inverse=True)[1]
    results = Results(
        task="labeling",
        metric=ACCURACY,
        classes=[str(name) for name in names],
        truth=classes[tested],
        counts={n: str(n) for n in budgets},
        training=size,
        seeds=seeds,
        groups=0 if together is None else int(together.max()) + 1,
        outcomes=_outcomes(right, classes[tested], seed, together),
    )
    changes = {n: compare(results, *results.judged(n)) for n in budgets}
    adjusted = holm([min(1.0, 2 * min(each.above, each.below)) for each in changes.values()])
    p_values = dict(zip(changes, adjusted, strict=True))
    return Simulation(results, changes, _overall(results), p_values)


def _overall(results: Results) -> Change:
    """Return chosen minus random, averaged over all numbers of labels."""
    sides = zip(*(results.judged(labels) for labels in results.counts), strict=True)
    most = max(results.counts)
    averaged_sides = [
        replace(
            side[0],
            labels=most,
            by_draw=np.mean([x.by_draw for x in side], axis=0),
            by_resample=np.mean([x.by_resample for x in side], axis=0),
        )
        for side in sides
    ]
    curve = replace(results, counts={most: str(most)}, outcomes=averaged_sides)
    return compare(curve, *averaged_sides)


def _predictions(
    belief: Belief, labeled: np.ndarray, classes: np.ndarray, tested: np.ndarray
) -> np.ndarray:
    """Return the classes (m,) of ``tested`` (m,D); a single one that is known is that of all."""
    known, codes = np.unique(classes, return_inverse=True)
    if len(known) < 2:
        return np.full(len(tested), classes[0])
    found: np.ndarray = known[belief.fit(labeled, codes).probabilities(tested).argmax(1)]
    return found


def _outcomes(
    found: dict[tuple[str, int], list[np.ndarray]],
    truth: np.ndarray,
    seed: int,
    groups: np.ndarray | None,
) -> list[Outcome]:
    kinds: dict[str, Kind] = {"chosen": "pretrained", "random": "baseline"}
    outcomes = []
    for (side, labels), rows in found.items():
        stack = np.stack(rows)
        sampled = {ACCURACY.name: averaged(stack == truth, seed, groups)}
        outcomes.append(
            outcome_of(
                Candidate(side, kinds[side]),
                _MODEL,
                ACCURACY,
                sampled,
                labels=labels,
                predictions=stack,
            )
        )
    return outcomes


def _edges(change: Change) -> tuple[str, str]:
    return points(change.estimate.low), points(change.estimate.high)
