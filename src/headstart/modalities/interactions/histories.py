"""From events to histories: each user's items in the order of time. Imports no torch.

Everything is done by column: names are encoded as numbers once, by Arrow, and numbers are sorted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.interactions.content import ROWS
from headstart.modalities.interactions.grouping import by_group
from headstart.seeding import derive

if TYPE_CHECKING:
    from headstart.data.field import Field
    from headstart.modalities.interactions.options import InteractionOptions

#: Kinds of events that are named.
_KINDS = 6
#: Share of a user's events with the time of another one from which it is said.
_TIED = 0.01
#: Events that are turned into records together.
_EVENTS = 2**18


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
    user_names: pa.Array
    item_names: pa.Array

    def select(self, which: np.ndarray) -> Events:
        """Return the events of a mask or of indices."""
        times = None if self.times is None else self.times[which]
        return Events(self.users[which], self.items[which], times, self.user_names, self.item_names)


@dataclass(frozen=True)
class Histories:
    """Sequences of items, before they are written.

    Attributes:
        names: (S,) of the sequences.
        users: (S,) codes of ``user_names``.
        offsets: (S+1,) where the events of each begin.
        items: (N,) codes of ``item_names``.
        times: (N,) or None where there are none.
    """

    names: pa.Array
    users: np.ndarray
    offsets: np.ndarray
    items: np.ndarray
    times: np.ndarray | None
    user_names: pa.Array
    item_names: pa.Array

    def __len__(self) -> int:
        return len(self.names)

    def parts(self) -> Iterator[tuple[slice, pa.Array, pa.Array]]:
        """Yield which sequences, lists of their items and lists of their times, some at once."""
        start = 0
        while start < len(self):
            first = self.offsets[start]
            stop = int(np.searchsorted(self.offsets, first + _EVENTS, side="right")) - 1
            stop = min(len(self), max(start + 1, stop))
            some = slice(first, self.offsets[stop])
            offsets = pa.array(self.offsets[start : stop + 1] - first, pa.int32())
            items = self.item_names.take(pa.array(self.items[some]))
            times: pa.Array = pa.nulls(stop - start, pa.list_(pa.float64()))
            if self.times is not None:
                times = pa.ListArray.from_arrays(offsets, pa.array(self.times[some], pa.float64()))
            lists = pa.ListArray.from_arrays(offsets, items)
            yield slice(start, stop), lists, times
            start = stop


def events_of(table: pa.Table, audit: Audit, options: InteractionOptions) -> Events:
    """Return the events of tidied rows with a user and an item, or with a list of items each.

    Rows that are neither are quarantined. They are in the order of the rows.

    Raises:
        HeadstartError: no row is an event.
    """
    columns = {field.name: _column(table, field) for field in ROWS}
    given = {name: np.asarray(pc.is_valid(column)) for name, column in columns.items()}
    timed = bool(given["time"].any())
    faults = [
        ("it has no item", ~given["item"] & ~given["items"]),
        ("it has no user", ~given["user"] & ~given["items"]),
    ]
    if options.least_value is not None:
        reason = "it has no value, and interactions.least_value asks for one"
        faults.append((reason, ~given["value"] & ~given["items"]))
    if timed:
        faults.append(("it has no time, and others have one", ~given["time"]))
    kept = _set_aside(faults, table["id"], audit)
    if not kept.any():
        (reason, count), *_ = audit.reasons.most_common(1)
        raise HeadstartError(
            f"no row is an event: {reason} ({count:,} rows); check which columns are read, and "
            "name others with --column user=COLUMN, item=COLUMN or time=COLUMN."
        )
    if options.least_value is not None:
        kept = _valued(kept, columns["value"], options.least_value, audit)
    kept = _of_kinds(kept, columns["kind"], options.kinds, audit)
    found = pa.table({"id": table["id"], **columns})
    if not kept.all():
        found = found.filter(pa.array(kept))
    whose, names, lengths = _one_each(found)
    user_names, users = _coded(whose)
    item_names, items = _coded(names)
    _note_shared(users, user_names, found["id"], audit)
    times = np.asarray(found["time"], dtype=np.float64) if timed else None
    if lengths is not None:
        users = np.repeat(users, lengths)
        times = None if times is None else np.repeat(times, lengths)
    return Events(users, items, times, user_names, item_names)


def gathered(events: Events, audit: Audit, options: InteractionOptions) -> Events:
    """Return the events sorted by user and time, with rare users and items left out.

    Events of one time keep the order of the file, or a random one, the same in each reading.
    The order of the users is that of their first events.
    """
    count = len(events.users)
    order = None
    if events.times is not None:
        order = np.arange(count)
        if options.ties == "shuffle":
            rng = np.random.default_rng(derive(options.ties_seed, "ties"))
            order = np.argsort(rng.permutation(count))
        order = order[np.argsort(events.times[order], kind="stable")]
    events = events.select(by_group(events.users, len(events.user_names), order))
    before = len(events.users)
    events = _without_repeats(events, options)
    _tell_ties(events, audit, options)
    if len(events.users) < before:
        audit.notes.append(
            f"{before - len(events.users):,} of {before:,} events repeat an item and are left out "
            f"(interactions.repeats={options.repeats})."
        )
    while True:  # without a rare item between them, two of one item stand side by side
        count = len(events.users)
        events = _cored(events, audit, options)
        if len(events.users) == count:
            return events
        events = _without_repeats(events, options)


def sequences_of(events: Events, options: InteractionOptions) -> Histories:
    """Return the name, the items and the times of each sequence, from sorted events."""
    count = len(events.users)
    starts = np.ones(count, dtype=bool)
    starts[1:] = events.users[1:] != events.users[:-1]
    if options.session_gap is not None and events.times is not None:
        starts[1:] |= np.diff(events.times) > options.session_gap
    first = np.flatnonzero(starts)
    users = events.users[first]
    names = events.user_names.take(pa.array(users))
    if options.session_gap is not None:
        begins = np.ones(len(users), dtype=bool)
        begins[1:] = users[1:] != users[:-1]
        index = np.arange(len(users))
        part = index - np.maximum.accumulate(np.where(begins, index, 0)) + 1
        names = pc.binary_join_element_wise(names, pa.array(part).cast(pa.string()), "#")
    return Histories(
        names,
        users,
        np.append(first, count),
        events.items,
        events.times,
        events.user_names,
        events.item_names,
    )


def owners(table: pa.Table) -> pa.ChunkedArray:
    """Return the user of each row, or its ``id`` where it names none."""
    nameless = pc.fill_null(pc.equal(table["user"], ""), True)
    if not pc.any(nameless).as_py():
        return table["user"]
    return pc.if_else(nameless, table["id"], table["user"])


def _column(table: pa.Table, field: Field) -> pa.ChunkedArray:
    """Return a column of rows, one of nulls where they do not have it."""
    if field.name in table.column_names:
        return table[field.name]
    return pa.chunked_array([pa.nulls(len(table), field.type())])


def _set_aside(
    faults: list[tuple[str, np.ndarray]], ids: pa.ChunkedArray, audit: Audit
) -> np.ndarray:
    """Quarantine rows in their order, and return which (N,) are left.

    Args:
        faults: a reason and the rows (N,) that have it; of several the first counts.
    """
    reasons, bad = zip(*faults, strict=True)
    why = np.select(bad, list(range(len(bad))), -1)
    names = ids.filter(pa.array(why >= 0)).to_pylist()
    for name, number in zip(names, why[why >= 0].tolist(), strict=True):
        audit.drop(name, reasons[number])
    return why < 0


def _one_each(table: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray, np.ndarray | None]:
    """Return the owner of each row, the items of all, and how many each has; None for one each."""
    users, own = owners(table), table["items"]
    if own.null_count == len(own):
        return users, table["item"], None
    parts, lengths = [], []
    for batch in table.select(["items", "item"]).to_batches(max_chunksize=2**16):
        offsets = pa.array(np.arange(len(batch) + 1), pa.int32())
        single = pa.ListArray.from_arrays(offsets, batch["item"])
        lists = pc.coalesce(batch["items"], single)
        parts.append(lists.flatten())
        lengths.append(np.asarray(lists.value_lengths()))
    return users, pa.chunked_array(parts, pa.string()), np.concatenate(lengths)


def _coded(names: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """Return the different names in the order of their first use, and the code (N,) of each."""
    encoded = names.dictionary_encode()
    codes = [np.empty(0, np.int32), *(np.asarray(chunk.indices) for chunk in encoded.chunks)]
    known = encoded.chunk(0).dictionary if encoded.num_chunks else pa.array([], pa.string())
    return known, np.concatenate(codes)


def _note_shared(users: np.ndarray, names: pa.Array, rows: pa.ChunkedArray, audit: Audit) -> None:
    """Note users with rows in several files."""
    files, codes = _coded(pc.replace_substring_regex(rows, r":\d+$", ""))
    if len(files) < 2 or len(files) == len(rows):
        return
    pairs = np.unique(users.astype(np.int64) * len(files) + codes)
    owners_of_pairs = pairs // len(files)
    shared = np.flatnonzero(np.bincount(owners_of_pairs, minlength=len(names)) > 1)
    if len(shared):
        own = pairs[owners_of_pairs == shared[0]] % len(files)
        where = " and ".join(files[int(code)].as_py() for code in own[:2])
        have = "1 user has" if len(shared) == 1 else f"{len(shared):,} users have"
        audit.notes.append(
            f"{have} events in several files, such as {names[int(shared[0])].as_py()!r} in "
            f"{where}: one name is one user, wherever it stands."
        )


def _valued(kept: np.ndarray, values: pa.ChunkedArray, least: float, audit: Audit) -> np.ndarray:
    """Return which of the kept rows (N,) have a value of at least ``least``, or none."""
    enough = np.asarray(pc.fill_null(pc.greater_equal(values, least), True))
    left = kept & enough
    share = 1 - int(left.sum()) / max(1, int(kept.sum()))
    audit.notes.append(
        f"{share:.1%} of the events have a value below {least:g} and do not count "
        f"(interactions.least_value)."
    )
    if not left.any():
        raise HeadstartError(
            f"no event has a value of {least:g} or more; set interactions.least_value to less."
        )
    return left


def _of_kinds(
    kept: np.ndarray, kinds: pa.ChunkedArray, wanted: str | None, audit: Audit
) -> np.ndarray:
    """Return which of the kept rows (N,) are of the kinds that count; all where none are named.

    Raises:
        HeadstartError: no event is of these.
    """
    counted = pc.value_counts(kinds.filter(pa.array(kept))).to_pylist()
    known = {row["values"]: row["counts"] for row in counted if row["values"] is not None}
    ordered = sorted(known, key=lambda kind: -known[kind])
    shares = ", ".join(f"{kind} ({known[kind] / kept.sum():.1%})" for kind in ordered[:_KINDS])
    if wanted is None:
        if len(known) > 1:
            audit.notes.append(
                f"Events of all kinds count alike: {shares}; to read some alone, set "
                f"interactions.kinds={ordered[-1]}."
            )
        return kept
    chosen = [each.strip() for each in wanted.split(",") if each.strip()]
    missing = [each for each in chosen if each not in known]
    if not known or missing:
        have = f"the kinds are {shares}" if known else "no column names kinds"
        raise HeadstartError(
            f"interactions.kinds: no event is of the kind {(missing or chosen)[0]!r}; {have}. Name "
            "others, or the column with --column kind=COLUMN."
        )
    left = kept & np.asarray(pc.fill_null(pc.is_in(kinds, pa.array(chosen, pa.string())), False))
    audit.notes.append(
        f"{int(kept.sum()) - int(left.sum()):,} of {int(kept.sum()):,} events are of other kinds "
        "and do not count (interactions.kinds)."
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
        key = events.users.astype(np.int64) * len(events.item_names) + events.items
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
        enough = np.bincount(events.users)[events.users] >= options.least_events
        if options.least_users > 1:
            enough &= _users_of(events)[events.items] >= options.least_users
        if enough.all():
            break
        events = events.select(enough)
    if not len(events.users):
        raise HeadstartError(
            f"no event is left where each user has {options.least_events:,} or more events and "
            f"each item {options.least_users:,} or more users; set interactions.least_events or "
            "least_users to less."
        )
    if len(events.users) < before:
        audit.notes.append(
            f"{before - len(events.users):,} of {before:,} events are left out, as their users "
            f"have fewer than {options.least_events:,} events or their items fewer than "
            f"{options.least_users:,} users."
        )
    return events


def _users_of(events: Events) -> np.ndarray:
    """Return the number of users of each item (I,)."""
    # Of the events of one item those of one user follow each other.
    order = by_group(events.items, len(events.item_names))
    items, users = events.items[order], events.users[order]
    first = np.ones(len(items), dtype=bool)
    first[1:] = (items[1:] != items[:-1]) | (users[1:] != users[:-1])
    return np.bincount(items[first], minlength=len(events.item_names))
