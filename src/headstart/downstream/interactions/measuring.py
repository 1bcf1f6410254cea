"""Who is compared, how each is tuned on what validates, and how each ranks what tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from headstart.data.target_ranks import ndcg, ranks_of, select
from headstart.downstream.interactions.network import NetworkRanker
from headstart.downstream.interactions.ranked import CUT, Order, RankedCandidate
from headstart.downstream.interactions.split import Division
from headstart.evaluation.protocols.resampling import averaged
from headstart.evaluation.ranking import difference, rank_all, variety
from headstart.modalities.interactions.rankers import Ranker
from headstart.modalities.interactions.rankers.tuning import KINDS, tune
from headstart.modalities.interactions.timed import TimedHistories
from headstart.seeding import derive

#: Tested items whose histories are shuffled, for what order is worth.
SHUFFLED = 5000
#: Points of a curve.
_POINTS = 40


def tuned(
    parts: Division,
    seconds: float,
    keep_seen: bool,
    say: Callable[[str], None],
    notes: list[str],
) -> list[Ranker]:
    """Return the simple alternatives, tuned on what validates; each has a share of the time left.

    What was cut short is noted.
    """
    until = time.monotonic() + seconds
    validating = parts.validating
    # At the test a history has one item more than what is fitted on; so it has where settings are
    # chosen, or those that favour what is popular would look better than they are. Where sessions
    # or a time are held out, what validates has histories beyond what is fitted on anyway.
    earlier = parts.train.without_last(1) if parts.is_last else parts.train
    found: list[Ranker] = []
    for number, kind in enumerate(KINDS):
        share = max(1.0, (until - time.monotonic()) / (len(KINDS) - number))
        best = tune(
            kind,
            earlier,
            validating.histories,
            validating.items,
            notes.append,
            seconds=share,
            keep_seen=keep_seen,
        )
        found.append(kind(parts.train, notes.append).fit(best.chosen))
        say(f"{found[-1].name}: tuned")
    return found


def refitted(rankers: Sequence[Ranker], parts: Division, notes: list[str]) -> dict[str, Ranker]:
    """Return simple alternatives by name, of the same settings, fitted on what validates, too."""
    kinds = {kind.name: kind for kind in KINDS}
    found: dict[str, Ranker] = {}
    for ranker in rankers:
        kind = kinds[ranker.name](parts.later, notes.append)
        found[ranker.name] = kind.fit(replace(kind.defaults, **ranker.settings))
    return found


def measured(
    ranker: Ranker, kind: str, parts: Division, keep_seen: bool, later: Ranker | None = None
) -> RankedCandidate:
    """Return the figures of what validates and of what tests.

    Args:
        later: the same ranker as it is tested, where it is fitted on what validates as well.
    """
    count, started = parts.train.count, time.monotonic()
    validating, testing = parts.validating, parts.testing
    validated = ranks_of(ranker.scores, validating.histories, validating.items, count, keep_seen)
    tested = rank_all(
        (later or ranker).scores, testing.histories, testing.items, count, keep_seen=keep_seen
    )
    ranked = len(validating.items) + len(testing.items)
    took = 1000 * (time.monotonic() - started) / ranked
    counts = parts.train.counts()
    return RankedCandidate(
        name=ranker.name,
        settings=dict(ranker.settings),
        validation=float(ndcg(validated, CUT).mean()),
        ranks=tested.ranks,
        lists=asdict(variety(tested.lists, counts)),
        milliseconds=took,
        kind=kind,
        curve=by_popularity(
            np.bincount(tested.lists[tested.lists >= 0], minlength=len(counts)), counts
        ),
    )


def by_popularity(amounts: np.ndarray, counts: np.ndarray) -> list[tuple[float, float]]:
    """Return which share of ``amounts`` (I,) falls on the commonest items: (items, share).

    Args:
        counts: (I,) the number of events of each item, by which they are ordered.
    """
    total = amounts.sum()
    if not total:
        return []
    share = np.cumsum(amounts[np.argsort(-counts, kind="stable")]) / total
    ends = np.unique(np.geomspace(1, len(counts), _POINTS).round().astype(int))
    return [(float(end), float(share[end - 1])) for end in ends]


def worth_of_order(
    network: NetworkRanker, best: Ranker, parts: Division, seed: int, keep_seen: bool
) -> Order:
    """Return the NDCG@10 of the network on histories as they are and shuffled.

    Where both are alike, the network uses which items a user had and not when. Of a longer history
    the items that the network reads are shuffled, so that it reads the same ones.

    Args:
        best: an alternative, to see how much of the gain over it is order.
    """
    rng = np.random.default_rng(derive(seed, "order"))
    testing = parts.testing
    chosen = np.sort(rng.permutation(len(testing.items))[:SHUFFLED])
    some = select(testing.histories, chosen.tolist())
    edges = [max(0, len(history) - network.window) for history in some]
    shuffled: Sequence[np.ndarray] = [
        np.concatenate([history[:edge], rng.permutation(history[edge:])])
        for history, edge in zip(some, edges, strict=True)
    ]
    if isinstance(some, TimedHistories):  # the times stay: only the items change places
        shuffled = TimedHistories(shuffled, some.times)
    items, groups = testing.items[chosen], np.unique(testing.users[chosen], return_inverse=True)[1]

    def ranked(ranker: Ranker) -> list[np.ndarray]:
        count = parts.train.count
        return [ranks_of(ranker.scores, each, items, count, keep_seen) for each in (some, shuffled)]

    both = ranked(network)
    as_is, without = (
        averaged(ndcg(found, CUT)[None], seed, groups).estimate().mean for found in both
    )
    theirs = [float(ndcg(found, CUT).mean()) for found in ranked(best)]
    return Order(
        as_is,
        without,
        len(chosen),
        difference(both[0], both[1], seed, groups=groups),
        best.name,
        as_is - theirs[0],
        without - theirs[1],
    )


def with_blends(later: Mapping[str, Ranker], ranker: Ranker) -> Ranker:
    """Return a blend of the rankers in ``later`` by their names; a ranker of these as it is there.

    The network, which is fitted once, stays as it is.
    """
    from headstart.modalities.interactions.rankers.blend import Blend

    if isinstance(ranker, Blend):
        return replace(ranker, rankers=tuple(with_blends(later, each) for each in ranker.rankers))
    return later.get(ranker.name, ranker)
