"""How good are simple rankers at naming the next item, tuned with a fair effort?

Three sets, leave-one-out: the last event of each user is the test, the one before it the
validation. Rankers are fitted without both, and at test their input includes the validation item.
All items are ranked, those already seen are removed, and ties share the mean of their ranks.

Settings are chosen on the validation items, by rankers fitted without the event before them, so
that validation is as far from what is fitted on as the test is. The interval is a bootstrap over
users (95%), and so is that of the paired difference to the mix with its published settings.

    python benchmarks/recommendation.py --sets beauty toys movies --seconds 120
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable

import numpy as np
from setting import announce, data

from headstart.evaluation.ranking import Ranked, difference, measured, rank_all, variety
from headstart.modalities.interactions.rankers import Ranker
from headstart.modalities.interactions.rankers.blend import blended
from headstart.modalities.interactions.rankers.markov import MarkovMix
from headstart.modalities.interactions.rankers.tuning import KINDS, Validation, tune
from headstart.modalities.interactions.sequences import Sequences

SEED = 0


def amazon(name: str) -> Sequences:
    """Return the sequences of one shop: ``user item item ...`` a line, items from 1."""
    with gzip.open(data("amazon_seq", f"{name}.txt.gz"), "rt") as lines:
        users = [[int(word) - 1 for word in line.split()[1:]] for line in lines]
    return Sequences.of(users, max(map(max, users)) + 1)


def movies() -> Sequences:
    """Return MovieLens 100K in the order of time; equal times in the order of the file."""
    rows = np.loadtxt(data("ml-100k", "u.data"), dtype=np.int64)
    rows = rows[np.lexsort((np.arange(len(rows)), rows[:, 3], rows[:, 0]))]
    _, lengths = np.unique(rows[:, 0], return_counts=True)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Sequences(rows[:, 1] - 1, offsets, int(rows[:, 1].max()), rows[:, 3])


SETS: dict[str, Callable[[], Sequences]] = {
    "beauty": lambda: amazon("Beauty"),
    "toys": lambda: amazon("Toys_and_Games"),
    "movies": movies,
}


class Table:
    """The rows of one set, printed as they come."""

    def __init__(self, users: Sequences) -> None:
        self._histories, self._targets = users.without_last(1), users.last(1).items
        self._counts = users.without_last(2).counts()
        self._bar: Ranked | None = None
        print(f"{'':36}{'validation':>11}{'NDCG@10':>9}{'':17}{'HR@10':>7}{'coverage':>10}", end="")
        print(f"{'gini':>6}{'novelty':>9}{'seconds':>9}{'vs the published mix':>27}")

    def row(self, name: str, ranker: Ranker, validation: str, seconds: float) -> None:
        """Test a ranker and print it; the first one is the bar."""
        start = time.monotonic()
        found = rank_all(ranker.scores, self._histories, self._targets, len(self._counts))
        took = time.monotonic() - start
        self._bar = self._bar or found
        each = measured(found.ranks, SEED)
        ndcg, hit = each["NDCG@10"], each["HR@10"]
        lists = variety(found.lists, self._counts)
        gap = difference(found.ranks, self._bar.ranks, SEED)
        print(
            f"{name:36}{validation:>11}{ndcg.mean:9.4f} [{ndcg.low:.4f}, {ndcg.high:.4f}]"
            f"{hit.mean:7.4f}{lists.coverage:10.2f}{lists.gini:6.2f}{lists.novelty:9.1f}"
            f"{f'{seconds:.0f} + {took:.0f}':>9}"
            f"{f'{gap.mean:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]':>27}",
            flush=True,
        )


def run(name: str, limit: float, kinds: list[str]) -> None:
    """Tune, fit and test all rankers on one set; the seconds are of both, and of the test."""
    users = SETS[name]()
    train = users.without_last(2)
    before, targets = train.without_last(1), users.without_last(1).last(1).items
    validation = Validation.of(train, targets, users.count, keep_seen=False)
    print(f"\n{name}: {len(users)} users, {users.count} items, {len(users.items)} events")
    table = Table(users)
    start = time.monotonic()
    mix = MarkovMix(train)
    table.row("mix, published settings", mix.fit(mix.defaults), "", time.monotonic() - start)
    tuned, fitted = [], {}
    for kind in KINDS:
        if kinds and kind.name not in kinds:
            continue
        start = time.monotonic()
        found = tune(kind, before, train, targets, print, seconds=limit)
        ranker = kind(train, print).fit(found.chosen)
        took = time.monotonic() - start
        table.row(kind.name, ranker, f"{found.validation:.4f}", took)
        print(f"    {json.dumps(dict(ranker.settings))}, {found.tried} tried")
        tuned.append(found.ranker)
        fitted[kind.name] = ranker
    start = time.monotonic()
    blend = blended(tuned, validation, print, seconds=limit)
    took = time.monotonic() - start
    table.row("blend", blend.of(fitted), f"{validation.score(blend):.4f}", took)
    print(f"    {json.dumps(dict(blend.settings))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--seconds", type=float, default=120.0, help="of the tuning of one kind")
    parser.add_argument("--kinds", nargs="*", default=[], help="names of kinds; all by default")
    given = parser.parse_args()
    announce("Simple rankers of the next item")
    for one in given.sets:
        run(one, given.seconds, given.kinds)
