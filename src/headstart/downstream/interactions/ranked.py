"""How well candidates rank what comes next: the figures of each, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm

from headstart.data.target_ranks import ndcg
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.protocols.resampling import averaged
from headstart.evaluation.ranking import measured
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
        kind: ``network``, ``alternative``, ``blend``, or ``other`` for a network of another run.
        curve: which share of what it recommends falls on the commonest items: (items, share).
    """

    name: str
    settings: Mapping[str, Any]
    validation: float
    ranks: np.ndarray
    lists: Mapping[str, float]
    milliseconds: float
    kind: str
    curve: Sequence[tuple[float, float]] = ()

    def figures(self) -> dict[str, float]:
        """Return HR, NDCG and MRR at each length of a list."""
        found = {}
        for cut in CUTS:
            hit = self.ranks <= cut
            found[f"HR@{cut}"] = float(hit.mean())
            found[f"NDCG@{cut}"] = float(ndcg(self.ranks, cut).mean())
            found[f"MRR@{cut}"] = float(np.where(hit, 1 / self.ranks, 0).mean())
        return found


class Order(NamedTuple):
    """NDCG@10 of the network on histories as they are and shuffled, on so many items.

    Attributes:
        worth: the difference, paired.
        beside: name of the alternative that validates best.
        gain, without: by how much the network is better than it as they are, and shuffled.
    """

    as_is: float
    shuffled: float
    items: int
    worth: Estimate | None = None
    beside: str = ""
    gain: float = 0.0
    without: float = 0.0


@dataclass(frozen=True)
class NextItem(Result):
    """The answer of the protocol ``next_item``.

    Attributes:
        candidates: the network first, then the alternatives, networks of other runs, and a blend if
            there is one.
        users, items: numbers of tested users, or of sessions, and of items.
        order: what the order of the items is worth to the network.
        seed: of the resamples.
        groups: (M,) users of the tested items, which are resampled as wholes; None where each is
            one.
        unit: what is resampled.
        events: which share of the events falls on the commonest items: (items, share).
        about: what was measured, as text.
        notes: remarks in plain sentences.
        samples: some tested users: what they had, what came next, what was recommended.
        served: the name of what `recommend` ranks by: of the network, a blend, or an alternative.
    """

    candidates: list[RankedCandidate]
    users: int
    items: int
    order: Order
    seed: int = 0
    groups: np.ndarray | None = None
    unit: str = "users"
    events: Sequence[tuple[float, float]] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    served: str = ""

    @property
    def network(self) -> RankedCandidate:
        """The network of the run."""
        return self.candidates[0]

    @property
    def alternatives(self) -> list[RankedCandidate]:
        """The simple alternatives."""
        return [one for one in self.candidates if one.kind == "alternative"]

    @property
    def best(self) -> RankedCandidate:
        """The alternative that the items that validate prefer."""
        return max(self.alternatives, key=lambda one: one.validation)

    @property
    def blend(self) -> RankedCandidate | None:
        """The network and an alternative together, where they were blended."""
        return next((one for one in self.candidates if one.kind == "blend"), None)

    def score(self, one: RankedCandidate) -> Estimate:
        """Return the NDCG@10 of a candidate, with its interval over users."""
        return averaged(ndcg(one.ranks, CUT)[None], self.seed, self._resampled).estimate()

    def figures(self, one: RankedCandidate) -> dict[str, Estimate]:
        """Return HR, NDCG and MRR at 5, 10 and 20 of a candidate, with intervals over users."""
        return measured(one.ranks, self.seed, CUTS, self._resampled)

    @property
    def _resampled(self) -> np.ndarray | None:
        """The groups, where some have several items."""
        groups = self.groups
        return None if groups is None or int(groups.max()) + 1 == len(groups) else groups

    def difference(self, one: RankedCandidate, other: RankedCandidate) -> Estimate:
        """Return by how much one candidate is better than another in NDCG@10, paired by user."""
        mean, resampled = self._change(one, other)
        low, high = np.quantile(resampled, (0.025, 0.975))
        return Estimate(mean, float(low), float(high))

    def _change(self, one: RankedCandidate, other: RankedCandidate) -> tuple[float, np.ndarray]:
        change = ndcg(one.ranks, CUT) - ndcg(other.ranks, CUT)
        sampled = averaged(change[None], self.seed, self._resampled)
        return float(change.mean()), sampled.by_resample[0]

    @cached_property
    def closest(self) -> RankedCandidate:
        """The alternative that the network gains least over on what is tested."""
        return min(self.alternatives, key=lambda one: self.difference(self.network, one).mean)

    @cached_property
    def gain(self) -> Estimate:
        """What the network gains over the :attr:`closest` alternative, paired."""
        return self.difference(self.network, self.closest)

    @property
    def sign(self) -> int:
        """1 where the network is clearly better than every alternative, -1 where worse, else 0.

        It is clearly worse where one is clearly better: as this may be the luckiest of several, the
        interval is widened by their number (Bonferroni).
        """
        if all(self.difference(self.network, one).low > 0 for one in self.alternatives):
            return 1
        mean, resampled = self._change(self.network, self.closest)
        wide = norm.ppf(1 - 0.025 / len(self.alternatives))
        return -int(mean + wide * float(resampled.std()) < 0)

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
        elif self.served not in ("", self.network.name):
            said += (
                f"\nOn what validates the network does not improve on {self.served}, by which "
                "`headstart recommend` ranks."
            )
        for one in self.candidates:
            if one.kind == "other":
                over = self.difference(self.network, one)
                said += f"\nOver {one.name}: {over.mean:+.4f} [{over.low:+.4f}, {over.high:+.4f}]."
        return said

    @property
    def of_order(self) -> str:
        """What the order of the items is worth, in a sentence."""
        worth, share = self.order.as_is - self.order.shuffled, ""
        if self.order.as_is > 0:
            share = f", {worth / self.order.as_is:.0%} of its NDCG@10"
        span = self.order.worth
        between = f" [{span.low:+.4f}, {span.high:+.4f}]" if span else ""
        return (
            f"The order of the items is worth {worth:+.4f}{between} to the network{share} "
            f"(shuffled {self.order.shuffled:.4f}, {self.order.items:,} histories)."
            + (
                f" Over {self.order.beside} it gains {self.order.gain:+.4f} with it and "
                f"{self.order.without:+.4f} without."
                if self.order.beside
                else ""
            )
        )

    def __str__(self) -> str:
        kept = [f"Note: {note}" for note in self.notes]
        return "\n".join([self.verdict, self.of_order, *kept])

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "task": "next_item",
            "verdict": self.verdict,
            "users": self.users,
            "unit": self.unit,
            "items": self.items,
            "tested": len(self.network.ranks),
            "gain": vars(self.gain),
            "order": {
                **self.order._asdict(),
                "worth": vars(self.order.worth) if self.order.worth else None,
            },
            "candidates": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "settings": dict(one.settings),
                    "validation_ndcg@10": one.validation,
                    **one.figures(),
                    **one.lists,
                    "intervals": {name: vars(each) for name, each in self.figures(one).items()},
                    "milliseconds": one.milliseconds,
                }
                for one in self.candidates
            ],
            "served": self.served,
            "about": dict(self.about),
            "notes": list(self.notes),
        }
