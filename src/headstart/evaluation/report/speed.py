"""What a point costs: the score of each candidate by the records a second that it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headstart.evaluation.report.figures import axis, change, scaled, within
from headstart.pages.markup import Markup, tag
from headstart.pages.tradeoff import Place, tradeoff

if TYPE_CHECKING:
    from headstart.evaluation.outcomes import Cost, Metric, Outcome, Results

#: Networks that nobody would use: they show what training gained.
_LEFT_OUT = ("untrained", "repeated")
#: How much faster one is clearly so.
_FASTER = 1.1
_WORDS = (
    "Speed was measured here, on the records themselves: reading them and computing features, "
    "without what is fitted once. Classifiers come on top."
)


@dataclass(frozen=True)
class _Costed:
    outcome: Outcome
    cost: Cost
    score: float


def section(results: Results) -> Markup:
    """Return the chart at the largest number of labels; empty where fewer than two are timed."""
    labels = max(results.counts)
    found = [
        _Costed(outcome, results.costs[outcome.candidate], outcome.scores[results.metric.name].mean)
        for outcome in results.judged(labels)
        if outcome.candidate in results.costs and outcome.kind not in _LEFT_OUT
    ]
    if len(found) < 2:
        return Markup("")
    found.sort(key=lambda each: (each.outcome.kind != "pretrained", -each.score))
    places = [
        Place(
            _name(each),
            each.cost.speed,
            scaled(results.metric, each.score),
            f"{within(results.metric, each.outcome.scores[results.metric.name])}, "
            f"{each.cost.speed:,.0f} records/s",
            strong=each.outcome.kind == "pretrained",
        )
        for each in found
    ]
    name = results.counts[labels]
    at = f", {name if name != 'all' else f'all {labels:,}'} labels" if labels else ""
    chart = tradeoff(
        finding(found, results.metric),
        places,
        x_label="records per second (logarithmic)",
        y_label=f"{axis(results.metric)}{at}",
    )
    head = tag("h2", "What a point costs", id="speed")
    return tag("section", head, chart, tag("p", _WORDS, class_="small"))


def finding(found: list[_Costed], metric: Metric) -> str:
    """Return in one line what the fastest alternative to the best gives up, if it does."""
    best = max(found, key=lambda each: each.score)
    faster = [each for each in found if each.cost.speed > _FASTER * best.cost.speed]
    if not faster:
        fastest = max(found, key=lambda each: each.cost.speed)
        rank = "the fastest" if fastest is best else "none is clearly faster"
        return f"{best.outcome.candidate} is the best, and {rank}"
    next_best = max(faster, key=lambda each: each.score)
    times = next_best.cost.speed / best.cost.speed
    worse = change(metric, next_best.score - best.score)
    score = "at the same score" if next_best.score == best.score else f"for {worse}"
    return (
        f"{next_best.outcome.candidate} is {times:,.{0 if times >= 10 else 1}f} times as fast as "
        f"{best.outcome.candidate}, {score}"
    )


def _name(each: _Costed) -> str:
    size = each.cost.megabytes
    return f"{each.outcome.candidate}, {size:,.0f} MB" if size >= 0.5 else each.outcome.candidate
