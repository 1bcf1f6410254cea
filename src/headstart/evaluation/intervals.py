"""Paired comparison of two candidates, over label draws and tested units.

A score is uncertain for two reasons: other labels might have been drawn, and other records might
have been tested. For the difference of two candidates, on the same draws and resamples,

- the variance over tested units is that over their bootstrap resamples;
- the variance over labels is that over the S draws, times 1/S + n/(N - n): draws of n out of N
  labels overlap, so that they differ less than independent draws would, which this corrects (Nadeau
  and Bengio 2003, "Inference for the Generalization Error", section 3). All N labels can be drawn
  only once; their variance is taken from the largest n that was drawn repeatedly, where there is
  one, and shrunk as n/N.

- where there are several pre-trainings, the variance over their seeds is that of their means.

They are added, each with its degrees of freedom (Welch and Satterthwaite). Their interaction,
which is in both, counts once (``resampling.interaction``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from headstart.data.labels import FEWEST_TESTED
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.outcomes import Outcome, Results
from headstart.evaluation.protocols.resampling import interaction, over_units

#: Accepted probability of any false claim, over all claims of a report (familywise error rate).
LEVEL = 0.05


@dataclass(frozen=True)
class Change:
    """The difference of two candidates.

    Attributes:
        estimate: the difference with its 95% interval.
        above: one-sided p value of a difference this high under the null hypothesis of no gain.
        below: one-sided p value of a difference this low under the null hypothesis of no loss.
        within: variance of the difference from the choice of the tested units.
        between: the part of its variance that more draws of labels reduce.
        rest: what neither reduces: that draws share labels, and that pre-trainings differ.
    """

    estimate: Estimate
    above: float
    below: float
    within: float = 0.0
    between: float = 0.0
    rest: float = 0.0


@dataclass(frozen=True)
class Draws:
    """The draws from which the variance over labels is estimated.

    Attributes:
        labels: number of labels per draw.
        factor: multiplier of the variance between draws.
    """

    labels: int
    factor: float


def draws_for(results: Results, labels: int) -> Draws | None:
    """Return the draws that estimate the variance over labels at ``labels``; None without any."""
    repeats = {outcome.labels: len(outcome.by_draw) for outcome in results.outcomes}
    counts = results.counts
    pool = next((n for n, name in counts.items() if name == "all"), results.training)
    if repeats.get(labels, 1) > 1:
        shared = labels / (pool - labels) if labels < pool else 0.0
        return Draws(labels, 1 / repeats[labels] + shared)
    known = [n for n in counts if repeats.get(n, 1) > 1 and n < min(labels, pool)]
    if not known:
        return None
    largest = max(known)
    return Draws(largest, largest / labels / (1 - largest / pool))


def compare(results: Results, ours: Outcome, other: Outcome) -> Change:
    """Return the paired difference of two outcomes at one number of labels."""
    mean = ours.mean - other.mean
    units = max(2, results.groups or len(results.truth))
    within = over_units(ours.by_resample - other.by_resample) * units / (units - 1)
    parts = [(within, units - 1)]
    reducible = 0.0
    draws = draws_for(results, ours.labels)
    if draws:
        one, two = (_at(results, outcome, draws.labels) for outcome in (ours, other))
        if one is not None:
            # What was measured with all labels only is taken to vary by itself not at all.
            theirs = (0.0, 0.0) if two is None else (two.by_draw, two.by_resample)
            between = (one.by_draw - theirs[0]).var(ddof=1)
            if (
                draws.labels != ours.labels
            ):  # the resamples of the single draw contain the interaction already
                between = max(0.0, between - interaction(one.by_resample - theirs[1]))
            parts.append((between * draws.factor, len(one.by_draw) - 1))
            reducible = between / len(one.by_draw) if draws.labels == ours.labels else 0.0
    if len(ours.by_run) > 1:
        parts.append((ours.by_run.var(ddof=1) / len(ours.by_run), len(ours.by_run) - 1))
    bound = 1.0 if results.metric.percent else np.inf
    change = _change(mean, parts, bound)
    tested = results.groups or len(results.truth)
    # Where both answer all alike, resampling shows no difference either, however few they are.
    alike = results.metric.percent and change.estimate == Estimate(0, 0, 0)
    if tested < FEWEST_TESTED or alike:
        change = _of_few(change, tested, bound)
    rest = sum(part for part, _ in parts) - within - reducible
    return replace(change, within=within, between=reducible, rest=rest)


def _of_few(change: Change, units: int, bound: float) -> Change:
    """Return a difference on few units, as uncertain as they leave it by themselves.

    Few units may all agree by chance, and resampling them shows nothing of it. What none of n units
    showed may still be as frequent as 1 - 0.025^(1/n) (the interval of Clopper and Pearson 1934),
    and n units are all in favour of one side with a probability of 0.5^n (sign test).
    """
    found, unseen = change.estimate, 1 - (LEVEL / 2) ** (1 / max(1, units))
    low, high = min(found.low, found.mean - unseen), max(found.high, found.mean + unseen)
    least = 0.5**units
    return replace(
        change,
        estimate=Estimate(found.mean, max(low, -bound), min(high, bound)),
        above=max(change.above, least),
        below=max(change.below, least),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted for their number, in the given order (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [1.0] * len(p_values)
    least = 0.0
    for rank, index in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = least
    return adjusted


def _at(results: Results, outcome: Outcome, labels: int) -> Outcome | None:
    """Return the same candidate's outcome, by the same probe, at another number of labels."""
    key = (outcome.candidate, outcome.probe, labels)
    return next((x for x in results.averaged if (x.candidate, x.probe, x.labels) == key), None)


def _change(mean: float, parts: list[tuple[float, int]], bound: float) -> Change:
    """Return a difference, whose interval is within -bound..bound."""
    variance = sum(part for part, _ in parts)
    if variance <= 1e-18:
        above, below = float(mean <= 0), float(mean >= 0)
        return Change(Estimate(mean, mean, mean), above, below)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    error = float(np.sqrt(variance))
    half = float(stats.t.ppf(1 - LEVEL / 2, freedom)) * error
    return Change(
        Estimate(mean, max(mean - half, -bound), min(mean + half, bound)),
        float(stats.t.sf(mean / error, freedom)),
        float(stats.t.cdf(mean / error, freedom)),
    )
