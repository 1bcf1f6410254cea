"""Label equivalence: how many labels would the best alternative need for the same score?

Each alternative's scores are made monotonic in the number of labels (isotonic regression) and
interpolated linearly over its logarithm; what was measured with few labels only keeps that score.
The answer is where the first of these curves reaches our
score. Its interval comes from repeating this on simulated scores: each bootstrap resample of the
tested units with a random shift of the label draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.evaluation.intervals import draws_for
from headstart.evaluation.outcomes import Outcome, Results
from headstart.seeding import derive


@dataclass(frozen=True)
class Equivalent:
    """What a number of labels is worth, in labels of the best alternative.

    Attributes:
        labels: ours.
        needed: theirs; infinite where no number that was tried is enough.
        low, high: the 95% interval of ``needed``.
        fewest: the smallest number that was tried, a lower bound of what can be measured.
        most: the largest number that was tried.
    """

    labels: int
    needed: float
    low: float
    high: float
    fewest: int
    most: int

    @property
    def known(self) -> bool:
        """Whether larger numbers were tried than ours, or a smaller one was enough."""
        return self.labels < self.most or not math.isinf(self.needed)

    def __str__(self) -> str:
        return self._words(self.needed)

    @property
    def interval(self) -> str:
        """The interval in words: ``420 to 980``."""
        return f"{self._words(self.low)} to {self._words(self.high)}"

    def _words(self, needed: float) -> str:
        if math.isinf(needed):
            return f"more than {self.most:,}"
        if needed < self.fewest * (1 + 1e-9):
            return f"{self.fewest:,} or fewer"
        return f"{_rounded(needed):,}"


def equivalents(results: Results) -> dict[int, Equivalent]:
    """Return the equivalent of each number of labels; {} where nothing can be compared."""
    counts = [n for n in results.counts if n > 0]
    table: dict[int, dict[str, Outcome]] = {}
    known: dict[str, Outcome] = {}
    for n in counts:
        # What was not measured with so many labels has at least the score that it had with fewer.
        known = known | {x.candidate: x for x in results.judged(n)}
        table[n] = known
    first = table[counts[0]] if counts else {}
    chosen = {n: ours for n in counts if (ours := results.ours(n)) is not None}
    others = [name for name in first if first[name].kind != "pretrained"]
    if len(counts) < 2 or len(chosen) < len(counts) or not others:
        return {}
    # (1+R,1+C,J): the measured scores, then the simulated ones
    scores = np.stack(
        [
            _scores(results, table, [chosen[n], *(table[n][name] for name in others)], n)
            for n in counts
        ],
        axis=-1,
    )
    found = needed(scores, counts)
    low, high = np.quantile(found[1:], (0.025, 0.975), axis=0, method="inverted_cdf")
    fewest, most = counts[0], counts[-1]
    return {
        n: Equivalent(n, float(found[0, j]), float(low[j]), float(high[j]), fewest, most)
        for j, n in enumerate(counts)
    }


def needed(scores: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    """Return how many labels the best alternative needs to reach each of our scores, (R,J).

    Args:
        scores: (R,1+C,J) at J rising numbers of labels, ours before those of C alternatives.
        counts: the J numbers.
    """
    return _reached(scores[:, 0], _rising(scores[:, 1:]), np.log(counts))


def _scores(
    results: Results, table: dict[int, dict[str, Outcome]], outcomes: list[Outcome], labels: int
) -> np.ndarray:
    """Return the mean scores (1+R,C) of candidates: measured, and on R simulated repetitions."""
    mean = np.array([outcome.mean for outcome in outcomes])
    rng = np.random.Generator(np.random.PCG64(derive("equivalence", labels)))
    resampled = np.stack([outcome.resampled for outcome in outcomes], axis=1)
    simulated = mean + resampled - resampled.mean(0)
    draws = draws_for(results, labels)
    if draws:
        found = table[draws.labels]
        by_draw = np.stack([found[outcome.candidate].by_draw for outcome in outcomes])
        count = by_draw.shape[1]
        # One shift of the draws for all candidates: a multivariate t, as in a paired comparison.
        shift = rng.standard_normal((count, len(simulated)))
        shift /= np.sqrt(rng.chisquare(count - 1, len(simulated)))
        simulated += np.sqrt(draws.factor) * ((by_draw - by_draw.mean(1, keepdims=True)) @ shift).T
    runs = outcomes[0].by_run
    if len(runs) > 1:
        spread = runs.std(ddof=1) / np.sqrt(len(runs))
        simulated[:, 0] += spread * rng.standard_t(len(runs) - 1, len(simulated))
    return np.concatenate([mean[None], simulated])


def _rising(scores: np.ndarray) -> np.ndarray:
    """Return the least-squares non-decreasing fit of curves (R,C,J) along J.

    By the max-min formula of isotonic regression (Robertson et al. 1988, theorem 1.4.4): the
    largest over starts a <= j of the smallest over ends b >= j of the mean of a to b.
    """
    count = scores.shape[-1]
    sums = np.concatenate([np.zeros_like(scores[..., :1]), scores.cumsum(-1)], axis=-1)
    rising = np.full_like(scores, -np.inf)
    for start in range(count):
        means = (sums[..., start + 1 :] - sums[..., start, None]) / np.arange(1, count - start + 1)
        smallest = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        rising[..., start:] = np.maximum(rising[..., start:], smallest)
    return rising


def _reached(targets: np.ndarray, curves: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Return (R,J): the number of labels where the first of ``curves`` (R,C,J) reaches the target.

    Args:
        targets: (R,J).
        logs: (J,) logarithms of the numbers of labels.
    """
    goal = targets[:, None, :, None]  # (R,1,J,1) against curves (R,C,1,J)
    reached = curves[:, :, None, :] >= goal - 1e-9  # means of equal scores may differ by a bit
    after = reached.argmax(-1)
    before = np.maximum(after - 1, 0)
    rows, names = np.ogrid[: len(curves), : curves.shape[1]]
    left, right = (curves[rows[..., None], names[..., None], at] for at in (before, after))
    rise = np.where(right > left, right - left, 1)
    share = np.where(after > 0, np.minimum((goal[..., 0] - left) / rise, 1), 0)
    found = np.exp(logs[before] + share * (logs[after] - logs[before]))
    return np.asarray(np.where(reached.any(-1), found, np.inf).min(1))


def _rounded(value: float) -> int:
    """Round to two significant digits, which is finer than the interval."""
    digits = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return round(value / digits) * digits
