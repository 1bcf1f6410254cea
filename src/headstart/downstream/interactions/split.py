"""The sequences of a run's sources as codes of its catalogue, divided as the run held them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from headstart.errors import HeadstartError
from headstart.modalities.interactions.held_out import FEWEST, Targets, held_out
from headstart.modalities.interactions.lists import arrow, lists_of
from headstart.modalities.interactions.processor import FIRST, ItemProcessor
from headstart.modalities.interactions.sequences import Sequences
from headstart.modalities.interactions.timed import TimedHistories

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset

    from headstart.modalities.interactions.options import InteractionOptions

#: Stands for an item that training never saw.
NEVER = -1


class Ranked(NamedTuple):
    """Items that are ranked.

    Attributes:
        histories: of M, the items before each.
        items: (M,) what comes next; -1 for an item that training never saw.
        users: (M,) codes of the users from 0, by first appearance; a user may have several.
    """

    histories: Sequence[np.ndarray]
    items: np.ndarray
    users: np.ndarray


class Division(NamedTuple):
    """What is fitted, what validates and what tests.

    Attributes:
        train: the sequences that training saw.
        later: the same with the items that validate.
        users: names of the tested users.
        validating, testing: what is ranked; ``users`` are those of ``testing``.
        unit: what ``users`` are called: sessions, each of another user, where these are held out.
        is_last: whether the last items of users are held out, and all before them is in ``train``.
        tied: share of the tested items that have the time of the item before them.
    """

    train: Sequences
    later: Sequences
    users: list[str]
    validating: Ranked
    testing: Ranked
    unit: str
    is_last: bool
    tied: float


def divided(records: Dataset, processor: ItemProcessor, options: InteractionOptions) -> Division:
    """Divide records as training did, by the run's own options.

    Raises:
        HeadstartError: no user has enough items, or nothing was held out.
    """
    held = held_out(records, options)
    if options.hold_out == "none":
        raise HeadstartError(
            "this run was trained on all items (interactions.hold_out=none), so nothing is left to "
            "test; pre-train with interactions.hold_out=last."
        )
    if not len(held.testing.records) or not len(held.validating.records):
        raise HeadstartError(_NOTHING.get(options.hold_out, _SHORT))
    ids, offsets = processor.encoded(records)
    codes = np.where(ids < FIRST, NEVER, ids - FIRST).astype(np.int32)
    times = _times(records)
    shown = held.ends.copy()
    # What validates is the last that is known before the test.
    np.maximum.at(shown, held.validating.records, held.validating.positions + 1)
    names = arrow(records.select_columns(["id"]))["id"]
    users, testing = _owners(held.testing, names, options.in_sessions)
    every = _first(codes, offsets, np.diff(offsets), processor, times)
    return Division(
        _first(codes, offsets, held.ends, processor, times),
        _first(codes, offsets, shown, processor, times),
        users,
        _ranked(held.validating, codes, offsets, every, _owners(held.validating, names)[1]),
        _ranked(held.testing, codes, offsets, every, testing),
        "sessions" if options.hold_out == "session" else "users",
        options.hold_out == "last",
        _tied(held.testing, offsets, times),
    )


_SHORT = (
    f"no sequence has {FEWEST} items: one to begin with, one that validates and one that tests; "
    "give longer sequences."
)
_NOTHING = {
    "time": "no user has an item before another one in the latest tenth of the events, and in the "
    "tenth before it; pre-train with interactions.hold_out=last.",
    "session": "no session that is held out has two items, so that none comes next; set "
    "interactions.session_gap to more seconds, or pre-train with interactions.hold_out=last.",
}


def known_sequences(records: Dataset, processor: ItemProcessor) -> Sequences:
    """Return the known items of all records, with what is held out."""
    ids, offsets = processor.encoded(records)
    codes = np.where(ids < FIRST, NEVER, ids - FIRST).astype(np.int32)
    return _first(codes, offsets, np.diff(offsets), processor, _times(records))


def _tied(targets: Targets, offsets: np.ndarray, times: np.ndarray | None) -> float:
    """Return the share of targets that have the time of the item before them."""
    if times is None:
        return 0.0
    spots = offsets[targets.records] + targets.positions
    return float((times[spots] == times[spots - 1]).mean())


def _times(records: Dataset) -> np.ndarray | None:
    """Return when each event was (N,); None where that is not known."""
    if "times" not in records.column_names or records.data.column("times").null_count:
        return None
    return np.asarray(lists_of(records, "times").values)


def _first(
    codes: np.ndarray,
    offsets: np.ndarray,
    ends: np.ndarray,
    processor: ItemProcessor,
    times: np.ndarray | None = None,
) -> Sequences:
    """Return the known items among the first ``ends`` (N,) of each record."""
    lengths = np.diff(offsets)
    within = np.arange(len(codes)) - np.repeat(offsets[:-1], lengths)
    kept = (within < np.repeat(ends, lengths)) & (codes >= 0)
    before = np.concatenate([[0], np.cumsum(kept)])
    when = None if times is None else times[kept]
    return Sequences(codes[kept], before[offsets], len(processor.names), when)


def _owners(
    targets: Targets, names: pa.ChunkedArray, in_sessions: bool = False
) -> tuple[list[str], np.ndarray]:
    """Return the names of the users of targets, and the code (M,) of each, by first appearance.

    A session is named after its user, with a number behind the last ``#``.
    """
    records, inverse = np.unique(targets.records, return_inverse=True)
    own = names.take(pa.array(records)).to_pylist()
    owners = [name.rpartition("#")[0] for name in own] if in_sessions else own
    codes = {user: code for code, user in enumerate(dict.fromkeys(owners))}
    return list(codes), np.array([codes[user] for user in owners], dtype=np.int64)[inverse]


def _ranked(
    targets: Targets,
    codes: np.ndarray,
    offsets: np.ndarray,
    every: Sequences,
    users: np.ndarray,
) -> Ranked:
    """Return what is ranked, with the known items of each history."""
    spots = offsets[targets.records] + targets.positions
    known = np.concatenate([[0], np.cumsum(codes >= 0)])
    ends = zip(every.offsets[targets.records].tolist(), known[spots].tolist(), strict=True)
    parts = [slice(start, stop) for start, stop in ends]
    histories: Sequence[np.ndarray] = [every.items[part] for part in parts]
    if every.times is not None:
        histories = TimedHistories(histories, [every.times[part] for part in parts])
    return Ranked(histories, codes[spots].astype(np.int64), users)
