"""Was pre-training worth it? The answer in words, in which the first line is the whole of it.

The best alternative is picked after the fact, at each number of labels anew. That favours the
alternatives, so a gain is claimed too seldom rather than too often.
"""

from __future__ import annotations

from dataclasses import dataclass

from headstart.evaluation.evaluate import Outcome, Results
from headstart.evaluation.metrics import Estimate, difference


@dataclass(frozen=True)
class Gain:
    """Pre-training against the best alternative at one number of labels.

    Attributes:
        labels: total number of labels.
        name: how it is written, such as ``100`` or ``all 25,000``.
        ours: the pre-trained encoder's outcome.
        best: the alternative with the highest accuracy.
        difference: in accuracy, paired over draws and tested records.
    """

    labels: int
    name: str
    ours: Outcome
    best: Outcome
    difference: Estimate

    @property
    def sign(self) -> int:
        """1 for a gain, -1 for a loss, 0 where the interval includes no difference."""
        if self.difference.low > 0:
            return 1
        return -1 if self.difference.high < 0 else 0


def gains(results: Results) -> list[Gain]:
    """Compare the pre-trained contender with the best of the others, at each number of labels."""
    found = []
    for labels, name in results.counts.items():
        outcomes = results.judged(labels)
        ours = next(outcome for outcome in outcomes if outcome.kind == "pretrained")
        others = [outcome for outcome in outcomes if outcome.kind != "pretrained"]
        if not others:
            continue
        best = max(others, key=lambda outcome: outcome.scores["accuracy"].mean)
        gain = difference(results.right(ours), results.right(best))
        found.append(Gain(labels, label_name(labels, name), ours, best, gain))
    return found


def label_name(labels: int, name: str) -> str:
    """Write a number of labels: ``100``, ``all 25,000`` or ``1,250 (5%)``."""
    if name == "all":
        return f"all {labels:,}"
    return f"{labels:,} ({name})" if name.endswith("%") else f"{labels:,}"


def headline(found: list[Gain]) -> str:
    """Return the verdict in one sentence."""
    if not found:
        return "No verdict: there is no alternative to compare with."
    won = [gain for gain in found if gain.sign > 0]
    lost = [gain for gain in found if gain.sign < 0]
    level = [gain for gain in found if gain.sign == 0]
    clauses = []
    if won:
        clauses.append(f"pre-training gained {_amounts(won)} over the best alternative")
    if lost:
        subject = "it" if won else "pre-training"
        clauses.append(f"{subject} lost {_amounts(lost)} against the best alternative")
    if level:
        names = f"with {_listed([gain.name for gain in level])} labels"
        clauses.append(
            f"there is no clear difference {names}"
            if clauses
            else f"neither pre-training nor the best alternative is clearly better {names}"
        )
    answer = "Yes" if won and not lost else "Partly" if won else "No"
    return f"{answer}: {'; '.join(clauses)}."


def details(found: list[Gain]) -> list[str]:
    """Return one line a number of labels: both accuracies, the difference and its interval."""
    lines = []
    for gain in found:
        ours, best = gain.ours.scores["accuracy"].mean, gain.best.scores["accuracy"].mean
        change = gain.difference
        lines.append(
            f"{gain.name} labels: {100 * ours:.1f} % against {100 * best:.1f} % "
            f"({gain.best.contender}), {points(change.mean)} points "
            f"[{points(change.low)}, {points(change.high)}]"
        )
    return lines


def points(share: float) -> str:
    """Write a difference of shares in points, with its sign: ``+4.2``."""
    return f"{round(100 * share, 1) + 0.0:+.1f}"  # adding 0 turns -0.0 into +0.0


def _amounts(found: list[Gain]) -> str:
    parts = [
        f"{abs(100 * gain.difference.mean):.1f}{' points' if not place else ''} "
        f"with {gain.name}{' labels' if not place else ''}"
        for place, gain in enumerate(found)
    ]
    return _listed(parts)


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
