"""From events to histories: each user's items in the order of time. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.interactions.rows import tidied
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.interactions.options import InteractionOptions

#: Share of a user's events with the time of another one from which it is said.
_TIED = 0.01


@dataclass
class Events:
    """Events by column, sorted by user and time.

    Attributes:
        users, items: (N,) codes; user_names, item_names: what they stand for.
        times: (N,) or None where there are none.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray | None
    user_names: list[str]
    item_names: list[str]

    def select(self, which: np.ndarray) -> Events:
        """Return the events of a mask or of indices."""
        times = None if self.times is None else self.times[which]
        return Events(self.users[which], self.items[which], times, self.user_names, self.item_names)


def events_of(rows: Dataset, audit: Audit, options: InteractionOptions) -> Events:
    """Return the events of rows with a user and an item, or with a list of items each.

    Rows that are neither are quarantined. They are in the order of the rows.

    Raises:
        HeadstartError: no row is an event, or some have a time and others do not.
    """
    table = tidied(rows, audit, options)
    count = len(table)
    columns = {name: _values(table, name) for name in ("user", "item", "items", "time", "value")}
    ids = table["id"].to_pylist()
    users, items, lists = columns["user"], columns["item"], columns["items"]
    reasons: list[str | None] = [None] * count
    for row in range(count):
        if lists[row] is not None:
            continue
        if items[row] is None:
            reasons[row] = "it has no item"
        elif users[row] is None:
            reasons[row] = "it has no user"
        elif options.least_value is not None and columns["value"][row] is None:
            reasons[row] = "it has no value, and interactions.least_value asks for one"
    timed = any(value is not None for value in columns["time"])
    if timed:
        for row in range(count):
            if reasons[row] is None and columns["time"][row] is None:
                reasons[row] = "it has no time, and others have one"
    for row, reason in enumerate(reasons):
        if reason is not None:
            audit.drop(ids[row], reason)
    kept = [row for row in range(count) if reasons[row] is None]
    if options.least_value is not None:
        kept = _valued(kept, columns["value"], options.least_value, audit)
    owners: list[str] = []
    names: list[str] = []
    times: list[float] = []
    for row in kept:
        own = lists[row] if lists[row] is not None else [items[row]]
        owners += [users[row] or ids[row]] * len(own)
        names += own
        if timed:
            times += [columns["time"][row]] * len(own)
    user_names, user_codes = _coded(owners)
    item_names, item_codes = _coded(names)
    found = np.array(times) if timed else None
    return Events(user_codes, item_codes, found, user_names, item_names)


def gathered(events: Events, audit: Audit, options: InteractionOptions) -> Events:
    """Return the events sorted by user and time, with rare users and items left out.

    Events of one time keep the order of the file, or a random one, the same in each reading.
    The order of the users is that of their first events.
    """
    count = len(events.users)
    if events.times is None:
        order = np.argsort(events.users, kind="stable")
    else:
        ties: Any = np.arange(count)
        if options.ties == "shuffle":
            ties = np.random.default_rng(derive(0, "ties")).permutation(count)
        order = np.lexsort((ties, events.times, events.users))
    events = events.select(order)
    before = len(events.users)
    events = _without_repeats(events, options)
    _tell_ties(events, audit, options)
    if len(events.users) < before:
        audit.notes.append(
            f"{before - len(events.users):,} of {before:,} events repeat an item and are left out "
            f"(interactions.repeats={options.repeats})."
        )
    return _cored(events, audit, options)


def sequences_of(
    events: Events, options: InteractionOptions
) -> tuple[list[str], list[list[str]], list[list[float] | None]]:
    """Return the name, the items and the times of each sequence, from sorted events."""
    count = len(events.users)
    starts = np.ones(count, dtype=bool)
    starts[1:] = events.users[1:] != events.users[:-1]
    if options.session_gap is not None and events.times is not None:
        starts[1:] |= np.diff(events.times) > options.session_gap
    first = np.flatnonzero(starts)
    ends = np.append(first[1:], count)
    known = np.array(events.item_names, dtype=object)
    names, items, times = [], [], []
    parts: dict[int, int] = {}
    for begin, end in zip(first, ends, strict=True):
        user = int(events.users[begin])
        parts[user] = parts.get(user, 0) + 1
        name = events.user_names[user]
        names.append(f"{name}#{parts[user]}" if options.session_gap is not None else name)
        items.append(known[events.items[begin:end]].tolist())
        times.append(None if events.times is None else events.times[begin:end].tolist())
    return names, items, times


def _values(table: Any, name: str) -> list[Any]:
    return table[name].to_pylist() if name in table.column_names else [None] * len(table)


def _coded(names: list[str]) -> tuple[list[str], np.ndarray]:
    """Return the different names in the order of their first use, and the code of each."""
    known: dict[str, int] = {}
    codes = np.fromiter(
        (known.setdefault(name, len(known)) for name in names), np.int64, len(names)
    )
    return list(known), codes


def _valued(kept: list[int], values: list[Any], least: float, audit: Audit) -> list[int]:
    left = [row for row in kept if values[row] is None or values[row] >= least]
    share = 1 - len(left) / max(1, len(kept))
    audit.notes.append(
        f"{share:.1%} of the events have a value below {least:g} and do not count "
        f"(interactions.least_value)."
    )
    if not left:
        raise HeadstartError(
            f"no event has a value of {least:g} or more; lower interactions.least_value."
        )
    return left


def _tell_ties(events: Events, audit: Audit, options: InteractionOptions) -> None:
    """Note which share of the events has the time of another one of the same user."""
    if events.times is None or len(events.users) < 2:
        return
    same = (np.diff(events.times) == 0) & (np.diff(events.users) == 0)
    tied = np.zeros(len(events.users), dtype=bool)
    tied[1:] |= same
    tied[:-1] |= same
    share = float(tied.mean())
    if share >= _TIED:
        how = "in the order of the file" if options.ties == "file" else "in a random order"
        audit.notes.append(
            f"{share:.1%} of the events have the time of another one of their user; they stand "
            f"{how} (interactions.ties), so that what order tells may be less than it seems."
        )


def _without_repeats(events: Events, options: InteractionOptions) -> Events:
    if options.repeats == "keep" or not len(events.users):
        return events
    if options.repeats == "first":
        key = events.users * (int(events.items.max()) + 1) + events.items
        return events.select(np.sort(np.unique(key, return_index=True)[1]))
    again = np.zeros(len(events.users), dtype=bool)
    again[1:] = (np.diff(events.users) == 0) & (np.diff(events.items) == 0)
    return events.select(~again)


def _cored(events: Events, audit: Audit, options: InteractionOptions) -> Events:
    """Leave out users and items with too few events, until all that are left have enough.

    Raises:
        HeadstartError: nothing is left.
    """
    before = len(events.users)
    while len(events.users):
        users = np.bincount(events.users)[events.users] >= options.least_events
        pairs = np.unique(events.items * (int(events.users.max()) + 1) + events.users)
        per_item = np.bincount(pairs // (int(events.users.max()) + 1))
        enough = users & (per_item[events.items] >= options.least_users)
        if enough.all():
            break
        events = events.select(enough)
    if not len(events.users):
        raise HeadstartError(
            f"no event is left where each user has {options.least_events:,} events and each item "
            f"{options.least_users:,} users; lower interactions.least_events or least_users."
        )
    if len(events.users) < before:
        audit.notes.append(
            f"{before - len(events.users):,} of {before:,} events are left out, as their users "
            f"have fewer than {options.least_events:,} events or their items fewer than "
            f"{options.least_users:,} users."
        )
    return events
