"""How well candidates rank what comes next: the figures of each, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from headstart.data.target_ranks import ndcg
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.protocols.resampling import averaged
from headstart.pages.result import Result

#: Length of the lists that the headline scores, and of all.
CUT, CUTS = 10, (5, 10, 20)
NETWORK = "pre-trained"


@dataclass(frozen=True)
class RankedCandidate:
    """One candidate.

    Attributes:
        name, settings: of it; the settings were chosen by the items that validate.
        validation: NDCG@10 there.
        ranks: (M,) of the items that test, from 1; infinite where an item is in no list.
        lists: what its lists are like, see :class:`headstart.evaluation.ranking.Variety`.
        milliseconds: for one user.
        kind: ``network``, ``alternative`` or ``blend``.
    """

    name: str
    settings: Mapping[str, Any]
    validation: float
    ranks: np.ndarray
    lists: Mapping[str, float]
    milliseconds: float
    kind: str

    def figures(self) -> dict[str, float]:
        """Return HR, NDCG and MRR at each length of a list."""
        found = {}
        for cut in CUTS:
            hit = self.ranks <= cut
            found[f"HR@{cut}"] = float(hit.mean())
            found[f"NDCG@{cut}"] = float(ndcg(self.ranks, cut).mean())
            found[f"MRR@{cut}"] = float(np.where(hit, 1 / self.ranks, 0).mean())
        return found


@dataclass(frozen=True)
class NextItem(Result):
    """The answer of the protocol ``next_item``.

    Attributes:
        candidates: the network first, then the alternatives, and a blend if there is one.
        users, items: numbers of tested users and of items.
        order: NDCG@10 of the network on histories as they are and shuffled, with the users.
        seed: of the resamples.
        about: what was measured, as text.
        notes: remarks in plain sentences.
        samples: some tested users: what they had, what came next, what was recommended.
    """

    candidates: list[RankedCandidate]
    users: int
    items: int
    order: tuple[float, float, int]
    seed: int = 0
    about: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def network(self) -> RankedCandidate:
        """The network of the run."""
        return self.candidates[0]

    @property
    def best(self) -> RankedCandidate:
        """The alternative that the items that validate prefer."""
        others = [one for one in self.candidates if one.kind == "alternative"]
        return max(others, key=lambda one: one.validation)

    @property
    def blend(self) -> RankedCandidate | None:
        """The network and an alternative together, where they were blended."""
        return next((one for one in self.candidates if one.kind == "blend"), None)

    def score(self, one: RankedCandidate) -> Estimate:
        """Return the NDCG@10 of a candidate, with its interval over users."""
        return averaged(ndcg(one.ranks, CUT)[None], self.seed).estimate()

    def difference(self, one: RankedCandidate, other: RankedCandidate) -> Estimate:
        """Return by how much one candidate is better than another in NDCG@10, paired by user."""
        change = ndcg(one.ranks, CUT) - ndcg(other.ranks, CUT)
        sampled = averaged(change[None], self.seed)
        low, high = np.quantile(sampled.by_resample[0], (0.025, 0.975))
        return Estimate(float(change.mean()), float(low), float(high))

    @cached_property
    def closest(self) -> RankedCandidate:
        """The alternative that the network gains least over on what is tested."""
        others = [one for one in self.candidates if one.kind == "alternative"]
        return min(others, key=lambda one: self.difference(self.network, one).mean)

    @cached_property
    def gain(self) -> Estimate:
        """What the network gains over the :attr:`closest` alternative, paired."""
        return self.difference(self.network, self.closest)

    @property
    def sign(self) -> int:
        """1 where the network is clearly better than every alternative, -1 where worse, else 0."""
        return (self.gain.low > 0) - (self.gain.high < 0)

    @property
    def verdict(self) -> str:
        """The answer in two sentences."""
        ours, best = self.score(self.network), self.score(self.closest)
        figures = f"NDCG@10 {ours.mean:.4f} against {best.mean:.4f} of {self.closest.name}"
        change = f"{self.gain.mean:+.4f} [{self.gain.low:+.4f}, {self.gain.high:+.4f}]"
        if self.sign > 0:
            said = f"Yes: pre-training ranks what comes next better ({figures}; {change})."
        elif self.sign < 0:
            said = f"No: a simple alternative ranks what comes next better ({figures}; {change})."
        else:
            said = f"Not clear: no certain difference ({figures}; {change})."
        if self.blend is not None:
            together = self.score(self.blend)
            gained = self.difference(self.blend, self.best)
            said += (
                f"\nTogether: NDCG@10 {together.mean:.4f}, {gained.mean:+.4f} "
                f"[{gained.low:+.4f}, {gained.high:+.4f}] over {self.best.name}, which "
                "does best on what validates."
            )
        return said

    def __str__(self) -> str:
        as_is, shuffled, users = self.order
        kept = [f"Note: {note}" for note in self.notes]
        of_order = (
            f"The order of the items is worth {as_is - shuffled:+.4f} to the network (shuffled "
            f"{shuffled:.4f}, {users:,} users)."
        )
        return "\n".join([self.verdict, of_order, *kept])

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "task": "next_item",
            "verdict": self.verdict,
            "users": self.users,
            "items": self.items,
            "gain": vars(self.gain),
            "order": dict(zip(("as_is", "shuffled", "users"), self.order, strict=True)),
            "candidates": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "settings": dict(one.settings),
                    "validation_ndcg@10": one.validation,
                    **one.figures(),
                    **one.lists,
                    "interval": vars(self.score(one)),
                    "milliseconds": one.milliseconds,
                }
                for one in self.candidates
            ],
            "about": dict(self.about),
            "notes": list(self.notes),
        }
