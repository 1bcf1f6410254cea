"""What is held out of the sequences, so that the verdict tests what training never saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headstart.data.store import stream
from headstart.errors import HeadstartError
from headstart.modalities.interactions.lists import Lists, lists_of, shortened

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.interactions.options import InteractionOptions

#: Share of all events, or of sessions whose users have no other, that are the latest.
LATEST = 0.1
#: Fewest items of a user who is tested: one to begin with, one that validates, one that tests; and
#: fewest sessions.
FEWEST = 3
#: Most items of a session, or of a user after a time, that are ranked, the first ones.
LONGEST = 100


class Targets(NamedTuple):
    """Items that are ranked, each after all items of its record before it.

    Attributes:
        records: (M,) indices of records, ascending.
        positions: (M,) of the items within them.
    """

    records: np.ndarray
    positions: np.ndarray


class HeldOut(NamedTuple):
    """How sequences are divided.

    Attributes:
        train: the records without what is held out; those that have nothing left are missing.
        ends: (N,) number of items of each record that training sees.
        validating, testing: the items by which settings are chosen, and those that are tested.
    """

    train: Dataset
    ends: np.ndarray
    validating: Targets
    testing: Targets


def held_out(records: Dataset, options: InteractionOptions) -> HeldOut:
    """Divide sequences as ``hold_out`` says.

    ``last``: the last item of each user is the test, the one before it validates (leave-one-out).
    ``time``: the latest tenth of all events is the test and the tenth before it validates; each
    item is ranked after those that its user has before it. ``session``: the last session of each
    user is the test, the one before it validates, and each item but the first is ranked after those
    before it in its session (Quadrana et al. 2017, "Personalizing Session-based Recommendations
    with Hierarchical Recurrent Neural Networks"; Ludewig and Jannach 2018). Where no user has
    several sessions, the latest tenth of all sessions is the test and the tenth before it
    validates, as in GRU4Rec (Hidasi et al. 2016).

    Raises:
        HeadstartError: there are no times or sessions to divide by, or nothing is left to train on.
    """
    lengths = lists_of(records, "items").lengths
    if options.hold_out == "none":
        return HeldOut(records, lengths, *[_targets(lengths, lengths)] * 2)
    if options.hold_out == "session":
        second, final = _last_sessions(records)
        ends = lengths.copy()
        ends[second] = ends[final] = 0
        within = [_within(each, lengths) for each in (second, final)]
        return HeldOut(_shortened(records, ends), ends, *within)
    if options.hold_out == "time":
        times = _times(records)
        ends, known = (_before(times, _cut(times, share)) for share in (2 * LATEST, LATEST))
        later = _after(ends, known), _after(known, lengths)
        return HeldOut(_shortened(records, ends), ends, *later)
    ends = np.where(lengths >= FEWEST, lengths - 2, lengths)
    tested = np.flatnonzero(lengths >= FEWEST)
    last = [Targets(tested, ends[tested] + further) for further in (0, 1)]
    return HeldOut(_shortened(records, ends), ends, *last)


def _targets(starts: np.ndarray, stops: np.ndarray) -> Targets:
    """Return the items from ``starts`` (N,) to before ``stops`` of each record."""
    counts = np.maximum(stops - starts, 0)
    records = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return Targets(records, np.arange(len(records)) - first[records] + starts[records])


def _after(starts: np.ndarray, stops: np.ndarray) -> Targets:
    """Return the items from ``starts`` (N,) to before ``stops``, a hundred of a user at most.

    The first item of a user comes after nothing.
    """
    starts = np.maximum(starts, 1)
    return _targets(starts, np.minimum(stops, starts + LONGEST))


def _within(chosen: np.ndarray, lengths: np.ndarray) -> Targets:
    """Return all items of the chosen records but the first of each, and the hundred after it."""
    stops = np.zeros_like(lengths)
    stops[chosen] = np.minimum(lengths[chosen], LONGEST + 1)
    return _targets(np.ones_like(lengths), stops)


def _last_sessions(records: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return the records that validate and those that test, of the last sessions."""
    known: dict[str, list[tuple[int, int]]] = {}
    for index, name in enumerate(stream(records, "id")):
        user, _, number = name.rpartition("#")
        known.setdefault(user, []).append((int(number), index))
    several = [
        [index for _, index in sorted(mine)] for mine in known.values() if len(mine) >= FEWEST
    ]
    if several:
        found = np.array([mine[-2:] for mine in several])
        return np.sort(found[:, 0]), np.sort(found[:, 1])
    times = None if len(known) < len(records) else _starts(records)
    if times is None:
        raise HeadstartError(
            f"no user has {FEWEST} sessions, so that none can be held out; set "
            "interactions.session_gap to fewer seconds, or interactions.hold_out to last."
        )
    share = max(1, round(LATEST * len(records)))
    order = np.argsort(times, kind="stable")
    return np.sort(order[-2 * share : -share]), np.sort(order[-share:])


def _starts(records: Dataset) -> np.ndarray | None:
    """Return when each session began; None where that is not known."""
    if "times" not in records.column_names or records.data.column("times").null_count:
        return None
    times = lists_of(records, "times")
    return np.asarray(times.values)[times.offsets[:-1]]


def _cut(times: Lists, share: float) -> float:
    """Return the time after which the latest share of the events is."""
    return float(np.quantile(np.asarray(times.values), 1 - share, method="lower"))


def _times(records: Dataset) -> Lists:
    """Return the times of all events.

    Raises:
        HeadstartError: some are not known.
    """
    if "times" not in records.column_names or records.data.column("times").null_count:
        raise HeadstartError(
            "interactions.hold_out=time needs the time of each event; name its column with "
            "--column time=COLUMN, or hold out the last items."
        )
    return lists_of(records, "times")


def _before(times: Lists, cut: float) -> np.ndarray:
    """Return how many events of each record (N,) are not after the cut."""
    early = np.concatenate([[0], np.cumsum(np.asarray(times.values) <= cut)])
    return np.diff(early[times.offsets])


def _shortened(records: Dataset, ends: np.ndarray) -> Dataset:
    """Return the first ``ends`` (N,) items of each record that has any.

    Raises:
        HeadstartError: none has.
    """
    if not ends.any():
        raise HeadstartError(
            "nothing is left to train on where the held-out items are taken away; give longer "
            "sequences, or set interactions.hold_out to none."
        )
    return shortened(records, ends)
