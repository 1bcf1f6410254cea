"""How well candidates find captions of pictures and pictures of captions: figures and verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy.stats import norm

from headstart.downstream.pairs.ranks import CUTS, Answers, by_chance, recall
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.protocols.resampling import averaged
from headstart.pages.result import Result

#: The list that the verdict looks at, and the directions.
CUT = 10
CAPTIONS, PICTURES = "picture to caption", "caption to picture"
DIRECTIONS = (CAPTIONS, PICTURES)
NETWORK = "pre-trained"


@dataclass(frozen=True)
class Found:
    """One candidate.

    Attributes:
        name, settings: of it.
        kind: ``network``, ``untrained`` or ``alternative``.
        ranks: by direction, (Q,) of the best right answer of each query, from 1.
    """

    name: str
    kind: str
    ranks: Mapping[str, np.ndarray]
    settings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class CrossRetrieval(Result):
    """The answer of the protocol ``cross_retrieval``.

    Attributes:
        candidates: the network first.
        answers: from pictures to captions.
        groups: by direction, (Q,) of the queries, which are resampled as wholes.
        seed: of the resamples.
        new: the same for pictures whose captions training did not see; None where all are such, or
            too few.
        about: what was measured, as text.
        notes: remarks in plain sentences.
        samples: pictures, what was found for them, and what is right.
    """

    candidates: list[Found]
    answers: Answers
    groups: Mapping[str, np.ndarray]
    seed: int = 0
    new: CrossRetrieval | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    samples: list[Any] = field(default_factory=list)

    @property
    def network(self) -> Found:
        """The network of the run."""
        return self.candidates[0]

    @property
    def alternatives(self) -> list[Found]:
        """All others but the untrained towers."""
        return [one for one in self.candidates if one.kind == "alternative"]

    def score(self, one: Found, direction: str = CAPTIONS, cut: int = CUT) -> Estimate:
        """Return the recall of a candidate, with its interval."""
        values = recall(one.ranks[direction], cut)
        return averaged(values[None], self.seed, self._groups(direction)).estimate()

    def chance(self, direction: str, cut: int) -> float:
        """Return the recall of a random order."""
        turned = self.answers if direction == CAPTIONS else self.answers.turned
        return by_chance(turned, cut)

    def figures(self, one: Found) -> dict[str, Estimate]:
        """Return the recall in both directions at each length of a list."""
        return {
            f"{direction} R@{cut}": self.score(one, direction, cut)
            for direction in DIRECTIONS
            for cut in CUTS
        }

    def _groups(self, direction: str) -> np.ndarray | None:
        groups = self.groups[direction]
        return None if int(groups.max()) + 1 == len(groups) else groups

    def _change(self, one: Found, other: Found) -> tuple[float, np.ndarray]:
        """Return by how much one is better in the mean of both directions, and its resamples."""
        means, resampled = [], []
        for direction in DIRECTIONS:
            change = recall(one.ranks[direction], CUT) - recall(other.ranks[direction], CUT)
            sampled = averaged(change[None], self.seed, self._groups(direction))
            means.append(float(change.mean()))
            resampled.append(sampled.by_resample[0])
        return float(np.mean(means)), np.mean(resampled, 0)

    def difference(self, one: Found, other: Found) -> Estimate:
        """Return the difference in R@10, the mean of both directions, paired by query."""
        mean, resampled = self._change(one, other)
        low, high = np.quantile(resampled, (0.025, 0.975))
        return Estimate(mean, float(low), float(high))

    @cached_property
    def closest(self) -> Found:
        """The alternative that the network gains least over."""
        others = self.alternatives or self.candidates[1:]
        return min(others, key=lambda one: self._change(self.network, one)[0])

    @cached_property
    def gain(self) -> Estimate:
        """What the network gains over the :attr:`closest` alternative."""
        return self.difference(self.network, self.closest)

    @property
    def sign(self) -> int:
        """1 where it is clearly better than every alternative, -1 where one is, else 0.

        Untrained towers are no alternative: to be better than they are says little. For -1 the
        interval is widened by their number, as the best may be the luckiest.
        """
        others = self.alternatives
        if not others:
            return 0
        if all(self.difference(self.network, one).low > 0 for one in others):
            return 1
        mean, resampled = self._change(self.network, self.closest)
        wide = norm.ppf(1 - 0.025 / len(others))
        return -int(mean + wide * float(resampled.std()) < 0)

    @property
    def verdict(self) -> str:
        """The answer in a sentence, and the figures of captions that training did not see."""
        ours, theirs = (
            " and ".join(f"{self.score(one, way).mean:.1%}" for way in DIRECTIONS)
            for one in (self.network, self.closest)
        )
        figures = f"R@{CUT} {ours} against {theirs} of {self.closest.name}"
        change = f"{self.gain.mean:+.1%} [{self.gain.low:+.1%}, {self.gain.high:+.1%}]"
        if not self.alternatives:
            return f"Unknown: there is no simple alternative to compare with ({figures})."
        begins = {
            1: "Yes: the towers find captions and pictures better",
            0: "Not clear: no certain difference",
            -1: "No: a simple alternative finds captions and pictures better",
        }[self.sign]
        said = f"{begins} ({figures}; {change})."
        if self.new is not None:
            first, *_ = self.new.verdict.splitlines()
            said += f"\nOf captions that training did not see: {first}"
        return said

    def __str__(self) -> str:
        return "\n".join([self.verdict, *(f"Note: {note}" for note in self.notes)])

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        pictures, captions = self.answers.shape
        return {
            "task": "cross_retrieval",
            "verdict": self.verdict,
            "pictures": pictures,
            "captions": captions,
            "gain": vars(self.gain),
            "chance": {
                f"{way} R@{cut}": self.chance(way, cut) for way in DIRECTIONS for cut in CUTS
            },
            "candidates": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "settings": dict(one.settings),
                    "figures": {name: vars(each) for name, each in self.figures(one).items()},
                }
                for one in self.candidates
            ],
            "new captions": None if self.new is None else self.new.summary(),
            "about": dict(self.about),
            "notes": list(self.notes),
        }
