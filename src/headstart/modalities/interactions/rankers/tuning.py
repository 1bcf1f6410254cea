"""The settings of rankers, chosen on validation targets within a time limit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.data.target_ranks import Histories, ndcg, ranks_of, select
from headstart.modalities.interactions.rankers import Kind, Ranker, Say
from headstart.modalities.interactions.rankers.ease import Ease
from headstart.modalities.interactions.rankers.markov import MarkovMix
from headstart.modalities.interactions.rankers.neighbours import Neighbours
from headstart.modalities.interactions.rankers.popularity import Popularity, RecentPopularity
from headstart.modalities.interactions.rankers.slit import Slit
from headstart.modalities.interactions.sequences import Sequences

#: All kinds, the cheapest first.
KINDS: tuple[type[Kind], ...] = (
    Popularity,
    RecentPopularity,
    Neighbours,
    MarkovMix,
    Ease,
    Slit,
)
#: Most validation users whose targets are ranked for each setting, and the cut of the lists.
_USERS, CUT = 10_000, 10
#: How often all settings are gone through.
_ROUNDS = 2


@dataclass(frozen=True)
class Validation:
    """What settings are chosen by: the mean NDCG@10 of targets, all items ranked.

    Attributes:
        histories: the items of each user before the target.
        targets: (B,) the item that comes next.
        count: I.
        keep_seen: whether items of the history stay in the lists.
    """

    histories: Histories
    targets: np.ndarray
    count: int
    keep_seen: bool = False

    @classmethod
    def of(
        cls, histories: Histories, targets: np.ndarray, count: int, keep_seen: bool
    ) -> Validation:
        """Return the validation on an even sample of the users, if there are very many."""
        chosen = np.arange(len(targets))[:: max(1, -(-len(targets) // _USERS))]
        return cls(select(histories, chosen.tolist()), targets[chosen], count, keep_seen)

    def score(self, ranker: Ranker) -> float:
        """Return the mean NDCG@10; 0 without any user."""
        found = ranks_of(ranker.scores, self.histories, self.targets, self.count, self.keep_seen)
        return float(ndcg(found, CUT).mean()) if len(found) else 0.0


@dataclass(frozen=True)
class Tuned:
    """A ranker with the settings that were best on validation targets.

    Attributes:
        ranker: fitted on what came before these targets.
        chosen: its settings, to fit the same kind on more events.
        validation: its NDCG@10 there.
        tried: how many settings were tried.
        seconds: what all of it took.
    """

    ranker: Ranker
    chosen: Any
    validation: float
    tried: int
    seconds: float


def tune(
    kind: type[Kind],
    train: Sequences,
    histories: Histories,
    targets: np.ndarray,
    say: Say,
    *,
    seconds: float = 120.0,
    keep_seen: bool = False,
) -> Tuned:
    """Fit a kind of ranker with the settings that are best on validation targets.

    Validation should be as far from what is fitted on as use is: where the histories that are
    served end later than the events that were fitted on, so should ``histories``. Otherwise
    settings that favour popular items look better than they are::

        # fitted on all but the last two events of each user, served after all but the last
        train, after = users.without_last(2), users.without_last(1)
        targets = after.last(1).items  # if each user has one
        tuned = tune(MarkovMix, train.without_last(1), train, targets, print)
        ranker = MarkovMix(train).fit(tuned.chosen)

    The defaults come first. Then one setting after the other is moved along its grid as long as
    that helps, twice through all of them. What would take longer than the time that is left is not
    tried, and ``say`` is given what was left out.

    Args:
        train: what is fitted on, without the targets.
        histories: the items of each validation user before the target.
        targets: (B,) items.
        seconds: the time limit; the defaults are fitted whatever it is.
        keep_seen: whether items of a history stay in its list.
    """
    start = time.monotonic()
    validation = Validation.of(histories, np.asarray(targets), train.count, keep_seen)
    made = kind(train, say)
    chosen = made.defaults
    ranker = made.fit(chosen)
    fitting = time.monotonic() - start
    best, tried = validation.score(ranker), {chosen}
    scoring = time.monotonic() - start - fitting
    grid = {name: _with(values, getattr(chosen, name)) for name, values in made.grid.items()}
    left_out: dict[str, None] = {}
    for name in list(grid) * _ROUNDS:
        takes = scoring + (fitting if name in made.costly else 0.0)
        for direction in (1, -1):
            for value in _onward(grid[name], getattr(chosen, name), direction):
                candidate = replace(chosen, **{name: value})
                if candidate in tried:
                    break
                if time.monotonic() - start + takes > seconds:
                    left_out[name] = None
                    break
                fitted = made.fit(candidate)
                score = validation.score(fitted)
                tried.add(candidate)
                if score <= best:
                    break
                ranker, best, chosen = fitted, score, candidate
    if left_out:
        say(_cut_short(kind.name, len(tried), list(left_out), seconds))
    return Tuned(ranker, chosen, best, len(tried), time.monotonic() - start)


def _with(values: Sequence[Any], default: Any) -> list[Any]:
    """Return the values of a grid in ascending order, the default among them."""
    return sorted({*values, default})


def _onward(values: list[Any], current: Any, direction: int) -> Iterator[Any]:
    """Yield the values of a grid after the current one, upwards or downwards."""
    place = values.index(current)
    yield from values[place + 1 :] if direction > 0 else reversed(values[:place])


def _cut_short(name: str, tried: int, left_out: list[str], seconds: float) -> str:
    counted = f"{tried} setting was" if tried == 1 else f"{tried} settings were"
    names = ", ".join(f"'{each}'" for each in left_out)
    return f"{name}: {counted} tried in {seconds:.0f} s; other values of {names} were left out."
