"""The result of explaining one record: what mattered, the deletion check, similar records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headstart.deployment.deletion import REPORTED, Deletion

if TYPE_CHECKING:
    from headstart.deployment.alike import Alike
    from headstart.modalities import Evidence

#: What log-odds are, for readers of a page or the console.
LOG_ODDS = (
    "Log-odds say how much likelier the class is than the other one that is named: 0 is as likely, "
    "+2.3 ten times, +4.6 a hundred times as likely. They still move where a probability is near 0 "
    "or 1."
)


def percent(share: float) -> str:
    """Return a probability as a percentage, with a decimal near 0 and 1."""
    if 0.01 <= share < 0.995:
        return f"{share:.0%}"
    return f"{share:.1%}" if 0.001 <= share < 0.9995 else ("> 99.9%" if share > 0.5 else "< 0.1%")


def signed(log_odds: float) -> str:
    """Return log-odds with their sign: ``+2.3`` where one class is ten times as likely."""
    return f"{log_odds:+.1f}"


@dataclass(frozen=True)
class Explanation:
    """Why one record is classified as it is.

    Attributes:
        predicted: the class that the run predicts; explained: the class that is explained.
        against: the likeliest other class, which the explained one is compared with.
        log_odds: of the explained class against that one.
        scores: the probability of each class.
        method: how the weights were found, in words.
        noun: what the units are, in the plural: "words", "cells".
        evidence: the weight of each unit.
        unexplained: the log-odds, less those of a record without content, less the sum of the
            weights; None for methods without such a sum.
        check: the effect of deleting the named units, compared with random ones.
        alike: the most similar labeled records.
        notes: what a reader should know, in sentences.
    """

    id: str
    predicted: str
    explained: str
    against: str
    log_odds: float
    scores: dict[str, float]
    method: str
    noun: str
    evidence: Evidence
    unexplained: float | None
    check: Deletion | None
    alike: list[Alike] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def headline(self) -> str:
        """Return the prediction in words, and the log-odds that are explained."""
        text = f"{self.predicted} ({percent(self.scores[self.predicted])})"
        odds = f"log-odds {signed(self.log_odds)} against {self.against}"
        if self.explained == self.predicted:
            return f"{text}, {odds}"
        asked = f"{self.explained} ({percent(self.scores[self.explained])}), {odds}"
        return f"{text}; asked: why {asked}?"

    def checked(self) -> str:
        """Return the result of the check in words; empty without one."""
        if self.check is None:
            return ""
        check, noun = self.check, self.noun
        count = check.counts[REPORTED]
        named = f"the {count} {noun} it names" if count > 1 else f"the {noun[:-1]} it names first"
        drawn = f"{count} random ones" if count > 1 else "a random one"
        before, after, random, low, high = (
            signed(value)
            for value in (
                check.before,
                check.named[REPORTED],
                check.random[REPORTED],
                check.low[REPORTED],
                check.high[REPORTED],
            )
        )
        return (
            f"Deleting {named} ({count} of {len(self.evidence.weights)}) takes the log-odds of "
            f"{self.explained!r} against {self.against!r} from {before} to {after}; deleting "
            f"{drawn}, to {random} (nine of ten draws: {low} to {high})."
        )

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "id": self.id,
            "predicted": self.predicted,
            "explained": self.explained,
            "against": self.against,
            "log_odds": self.log_odds,
            "scores": self.scores,
            "method": self.method,
            **self.evidence.summary(),
            "unexplained": self.unexplained,
            "check": self.check.summary() if self.check else None,
            "alike": [near.summary() for near in self.alike],
            "notes": self.notes,
        }
