"""Was pre-training worth it? The answer in words, summed up in its first line.

At each number of labels the verdict compares with the best alternative, which is chosen by
cross-validation inside the training labels. Where nothing is fitted the training records choose it
if there are others to test; else it is the best on the tested units, which the claim of a loss is
corrected for. A gain is claimed where pre-training is better
than every alternative, a loss where it is worse than the best. At most one report in twenty makes
a false claim (familywise error rate).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from headstart.encoders.joined import OWN
from headstart.evaluation.deciding import few_tested, is_too_few, more_to_decide
from headstart.evaluation.equivalence import Equivalent, equivalents
from headstart.evaluation.harm import harm, is_harmed
from headstart.evaluation.intervals import LEVEL, Change, compare, holm
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.outcomes import ACCURACY, Metric, Outcome, Results
from headstart.evaluation.taken import subject_of, taken_with, without_pretraining


@dataclass(frozen=True)
class PairedComparison:
    """Pre-training compared with one alternative at one number of labels.

    Attributes:
        other: the alternative's outcome.
        difference: ours minus theirs, paired, with its 95% interval.
        p_value: two-sided, adjusted for the number of claims.
        validated: whether the alternative was chosen on training labels.
        closest: the alternative that a gain is least certain over, on the tested units.
        open: the difference that keeps a claim from being made, in its parts: from ``closest`` if
            ours is the higher score, else from the best; and for how many selections it pays. None
            where nothing would decide.
    """

    other: Outcome
    difference: Estimate
    p_value: float
    validated: bool = False
    closest: Outcome | None = None
    open: tuple[Change, int] | None = None

    @property
    def sign(self) -> int:
        """1 for a gain, -1 for a loss, 0 where neither is certain."""
        if self.p_value > LEVEL:
            return 0
        return 1 if self.difference.mean > 0 else -1


@dataclass(frozen=True)
class Gain:
    """The gain of pre-training at one number of labels.

    Attributes:
        labels: total number of labels.
        name: the same as text, such as ``100`` or ``all 25,000``.
        metric: of the scores.
        ours: the pre-trained encoder's outcome.
        comparison: with the best alternative.
        start: comparison with the checkpoint that a continued pre-training started from.
        equivalent: number of labels that the best alternative needs for the same score.
        claims: number of claims that p values are adjusted for.
        tested: number of tested units.
        unit: what is tested, in the plural.
        harmed: whether the encoder by itself is clearly worse than the untrained network.
    """

    labels: int
    name: str
    metric: Metric
    ours: Outcome
    comparison: PairedComparison
    start: PairedComparison | None = None
    equivalent: Equivalent | None = None
    claims: int = 1
    tested: int = 0
    unit: str = "records"
    harmed: bool = False

    @property
    def best(self) -> Outcome:
        """The best alternative's outcome."""
        return self.comparison.other

    @property
    def difference(self) -> Estimate:
        """Ours minus the best alternative's, with its own 95% interval."""
        return self.comparison.difference

    @property
    def sign(self) -> int:
        """1 for a gain, -1 for a loss, 0 where neither is certain."""
        return 0 if is_too_few(self.tested) else self.comparison.sign


def gains(results: Results) -> list[Gain]:
    """Compare the pre-trained candidate with the others, at each number of labels."""
    worth = equivalents(results)
    found = []
    for labels, name in results.counts.items():
        ours, others = results.ours(labels), results.alternatives(labels)
        if ours is None or not others:
            continue
        # Alone against alone, or both together with the same simple features; of a run that joins
        # encoders only the pre-trained part was continued.
        own = next((x for x in results.judged(labels) if x.parts == (OWN,)), ours)
        alike = (x for x in others if x.kind == "start" and x.joined_with == own.joined_with)
        start = next(alike, None)
        found.append(
            Gain(
                labels,
                label_name(labels, name),
                results.metric,
                ours,
                _best_comparison(results, ours, others),
                _best_comparison(results, own, [start]) if start else None,
                worth.get(labels),
                tested=len(results.truth),
                unit=results.unit,
                harmed=is_harmed(results, labels),
            )
        )
    return _adjusted(found)


def _best_comparison(results: Results, ours: Outcome, others: list[Outcome]) -> PairedComparison:
    """Compare with the best of ``others``; the p value is not adjusted yet."""
    changes = {other.candidate: compare(results, ours, other) for other in others}
    known = [other for other in others if not math.isnan(results.validation(other))]
    chosen = max(known, key=results.validation) if known else None
    # Those without cross-validation take part by their score on the tested units.
    pool = [other for other in others if other is chosen or other not in known]
    best = max(pool, key=lambda other: other.mean)
    change = changes[best.candidate]
    # A gain must hold against every alternative (Berger 1982: no correction), a loss against the
    # best, which is corrected for its selection on the tested units (Bonferroni).
    closest = max(others, key=lambda other: changes[other.candidate].above)
    p_value = 2 * min(changes[closest.candidate].above, len(pool) * change.below)
    undecided: tuple[Change, int] | None = (change, len(pool))
    if change.estimate.mean > 0:
        if closest.mean > best.mean:
            # What was not chosen may be better: a gain is counted over the one that it is smallest
            # over.
            best, change = closest, changes[closest.candidate]
        ahead = changes[closest.candidate].estimate.mean > 0
        undecided = (changes[closest.candidate], 1) if ahead else None
    validated = chosen is not None and best.kind != "scratch"
    return PairedComparison(best, change.estimate, min(1.0, p_value), validated, closest, undecided)


def _adjusted(found: list[Gain]) -> list[Gain]:
    every = [
        comparison for gain in found for comparison in (gain.comparison, gain.start) if comparison
    ]
    p_values = iter(holm([comparison.p_value for comparison in every]))
    return [
        replace(
            gain,
            comparison=replace(gain.comparison, p_value=next(p_values)),
            start=replace(gain.start, p_value=next(p_values)) if gain.start else None,
            claims=len(every),
        )
        for gain in found
    ]


def label_name(labels: int, name: str) -> str:
    """Format a number of labels: ``100``, ``all 25,000`` or ``1,250 (5%)``."""
    if name == "all":
        return f"all {labels:,}"
    if not labels:
        return "no"
    return f"{labels:,} ({name})" if name != str(labels) else f"{labels:,}"


def headline(found: list[Gain], cautions: Sequence[str] = ()) -> str:
    """Return the verdict in one sentence.

    Args:
        cautions: clauses about what makes the scores doubtful, such as test records that were seen
            before.
    """
    if cautions and found:
        return f"{headline(found)[:-1]}; but {' and '.join(cautions)}."
    if not found:
        return "No verdict: there is no alternative to compare with."
    if is_too_few(found[0].tested):
        return few_tested(found[0].tested, found[0].unit)
    won = [gain for gain in found if gain.sign > 0]
    lost = [gain for gain in found if gain.sign < 0]
    level = [gain for gain in found if gain.sign == 0]
    clauses = []
    if won:
        clauses.append(f"{_subject(won)} gained {_amounts(won)} over the best alternative")
    if lost:
        subject = "it" if won and _subject(won) == _subject(lost) else _subject(lost)
        clauses.append(f"{subject} lost {_amounts(lost)} against the best alternative")
    if level:
        names = _with(_listed([gain.name for gain in level]))
        clauses.append(
            f"there is no clear difference{names}"
            if clauses
            else f"neither {_subject(level)} nor the best alternative is clearly better{names}"
        )
    answer = f"{'Partly' if lost else 'Yes'}{_where(found, won)}" if won else "No"
    if not won and not lost:
        answer = "Not clear"
    return f"{answer}: {'; '.join(clauses)}."


def _subject(found: list[Gain]) -> str:
    return subject_of([gain.ours for gain in found])


def details(found: list[Gain]) -> list[str]:
    """Return the lines below the first: label equivalents, each comparison, the certainty."""
    return [
        *_worth(found),
        *_continued(found),
        *without_pretraining([(gain.name, gain.ours) for gain in found]),
        *harm([gain.name for gain in found if gain.harmed]),
        *map(_line, found),
        *certainty(found),
    ]


def certainty(found: list[Gain]) -> list[str]:
    """Return a sentence on the certainty of the claims; [] without any comparison."""
    if not found:
        return []
    count, seeds = found[0].claims, len(found[0].ours.by_run)
    runs = (
        f"The pre-trained score is the mean of {seeds} pre-trainings from different seeds, whose "
        "spread is part of the intervals."
        if seeds
        else "One pre-training was measured: from another seed it may come out differently "
        "(`--pretraining-seeds 3`)."
    )
    if any(gain.comparison.validated for gain in found):
        chosen = (
            f"The best alternative was chosen by {_how_chosen(found[0])}; where another did better "
            f"on the test {found[0].unit}, a gain must be one over that, too."
        )
        if not all(gain.comparison.validated for gain in found):
            chosen += (
                f" One without cross-validation counts by its score on the test {found[0].unit}."
            )
    else:
        chosen = "The best alternative is the one with the highest score."
    over = "other labels and other" if found[0].labels else "other"
    if count == 1:
        return [
            chosen,
            runs,
            f"The interval is one of 95%, over {over} test {found[0].unit}.",
        ]
    return [
        chosen,
        runs,
        "Intervals are of 95% each, over other labels and other test records; a gain or a loss is "
        f"claimed only where it stands the correction for all {count} comparisons (Holm).",
    ]


def _how_chosen(gain: Gain) -> str:
    if gain.labels:
        return "cross-validation inside the training labels"
    return f"the scores on the training {gain.unit}"


def points(value: float, metric: Metric = ACCURACY) -> str:
    """Format a difference with its sign: in points (``+4.2``), or as it is (``+0.042``)."""
    if metric.percent:
        return f"{round(100 * value, 1) + 0.0:+.1f}"  # adding 0 turns -0.0 into +0.0
    return f"{round(value, 3) + 0.0:+.3f}"


def score(value: float, metric: Metric = ACCURACY) -> str:
    """Format a score: ``84.2%``, or ``0.842``."""
    return f"{100 * value:.1f}%" if metric.percent else f"{value:.3f}"


def _line(gain: Gain) -> str:
    metric, change = gain.metric, gain.difference
    where = f"{gain.name} labels" if gain.labels else metric.name
    unit = " points" if metric.percent else ""
    line = (
        f"{where}: {score(gain.ours.mean, metric)}{taken_with(gain.ours)} against "
        f"{score(gain.best.mean, metric)} "
        f"({alternative(gain.best)}), {points(change.mean, metric)}{unit} "
        f"[{points(change.low, metric)}, {points(change.high, metric)}]{_doubt(gain)}"
    )
    if gain.sign > 0 and gain.equivalent and gain.equivalent.known:
        line += f"; worth {gain.equivalent} labels [{gain.equivalent.interval}]"
    return line


def alternative(outcome: Outcome) -> str:
    """Name an alternative with its probe: ``LSA, linear SVM``."""
    return f"{outcome.candidate}, {outcome.probe}" if outcome.labels else outcome.candidate


def _doubt(gain: Gain) -> str:
    """Return why a difference is no claim, and what would decide it; "" where it is one."""
    change = gain.difference
    if gain.sign:
        return ""
    if change.low > 0 or change.high < 0:
        return f", not clear after the correction for {gain.claims} comparisons{_deciding(gain)}"
    return _deciding(gain)


def _deciding(gain: Gain) -> str:
    """Return what would decide an unclear difference, as far as anything would."""
    if gain.comparison.open is None:
        return ""
    change, selections = gain.comparison.open
    level = LEVEL / gain.claims / selections
    more = more_to_decide(change, len(gain.ours.by_draw), gain.tested, level)
    if more is None:
        return ""
    kind, count = more
    what = f"{count} draws (`--seeds {count}`)" if kind == "draws" else f"{count:,} {gain.unit}"
    return f"; {what} would decide it if the difference stays"


def _worth(found: list[Gain]) -> list[str]:
    """Return the label equivalents where pre-training gained."""
    worth = [x for x in found if x.sign > 0 and x.equivalent and x.equivalent.known]
    parts = [
        f"{gain.labels:,} {'labels now do the work ' if not index else ''}of {gain.equivalent}"
        for index, gain in enumerate(worth)
    ]
    return [f"{_listed(parts)}."] if parts else []


def _continued(found: list[Gain]) -> list[str]:
    """Return whether continuing the pre-training made the checkpoint better or worse."""
    clauses = []
    for sign, word in ((1, "better"), (-1, "worse")):
        moved = [gain for gain in found if gain.start and gain.start.sign == sign]
        if moved:
            amounts = _amounts(moved, [gain.start for gain in moved if gain.start])
            clauses.append(f"{word} by {amounts}")
    unclear = [gain.name for gain in found if gain.start and gain.start.sign == 0]
    if unclear:
        clauses.append(f"neither clearly better nor clearly worse{_with(_listed(unclear))}")
    return [f"Continuing made the checkpoint {'; '.join(clauses)}."] if clauses else []


def _where(found: list[Gain], won: list[Gain]) -> str:
    """Return with how many labels it helped: ``, from 100 labels on``."""
    if not won[0].labels:
        return ""
    start, end = found.index(won[0]), found.index(won[-1])
    first, last = won[0].name, won[-1].name
    if start == end or end - start + 1 > len(won):
        return f", with {_listed([gain.name for gain in won])} labels"
    if won[-1] is found[-1]:
        return f", from {first} labels on"
    return f", up to {last} labels" if start == 0 else f", from {first} to {last} labels"


def _amounts(found: list[Gain], comparisons: list[PairedComparison] | None = None) -> str:
    parts = []
    for index, gain in enumerate(found):
        change = (comparisons[index] if comparisons else gain.comparison).difference.mean
        amount = points(abs(change), gain.metric)[1:]
        unit = f" {'points' if gain.metric.percent else gain.metric.name}" if not index else ""
        if not gain.labels and gain.metric.percent:
            unit = f" points of {gain.metric.name}"
        where = f" with {gain.name}{' labels' if not index else ''}" if gain.labels else ""
        parts.append(f"{amount}{unit}{where}")
    return _listed(parts)


def _with(names: str) -> str:
    return "" if names == "no" else f" with {names} labels"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
