"""Rows before their events are gathered: one unit of time, and no missing ids. No torch here.

Everything is done on whole columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headstart.errors import HeadstartError
from headstart.modalities.interactions.moments import in_one_unit
from headstart.modalities.interactions.worth import upside_down

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.audit import Audit
    from headstart.modalities.interactions.options import InteractionOptions

#: Files that are named in a note, and a column of row numbers.
_NAMED, _ROW = 3, "#row"


def tidied(rows: Dataset, audit: Audit, options: InteractionOptions) -> pa.Table:
    """Return the rows as a table: times in one unit, and lists without missing items.

    A list of items with a list of times becomes a row for each of its events. Rows whose lists do
    not agree, or whose time is far from all others, are set aside.

    Raises:
        HeadstartError: no row has an item and a user, times are of several kinds, or values are
            asked for and there are none.
    """
    table = rows.with_format("arrow")[:]
    if not isinstance(table, pa.Table):
        table = pa.Table.from_batches([table])
    table = table.combine_chunks()
    by_session = options.hold_out == "session" and options.session_gap is None
    if by_session and not _has(table, "session") and _has(table, "items"):
        # A list is a session of its own.
        lists = pc.is_valid(table["items"])
        nothing = pa.scalar(None, pa.string())
        table = _set(table, "session", pc.if_else(lists, table["id"], nothing).combine_chunks())
    if not _has(table, "user") and _has(table, "session"):
        table = _set(table, "user", table["session"].combine_chunks())
    table = _without_gaps(_apart(table, audit), audit)
    table = _timed(table, audit)
    _refuse_none(table)
    _note_untimed(table, audit)
    if options.least_value is not None:
        _check_values(table, audit)
    if by_session:
        table = _by_session(table, audit)
    return table


def _has(table: pa.Table, name: str) -> bool:
    return name in table.column_names and table[name].null_count < len(table)


def _without_gaps(table: pa.Table, audit: Audit) -> pa.Table:
    """Leave items without an id out of lists, and count them."""
    if not _has(table, "items"):
        return table
    lists = table["items"].combine_chunks()
    flat = lists.flatten()
    if not flat.null_count:
        return table
    there = np.asarray(pc.is_valid(flat))
    ends = np.cumsum(np.asarray(pc.fill_null(pc.list_value_length(lists), 0)))
    kept = np.concatenate([[0], np.cumsum(there)])
    offsets = pa.array(np.concatenate([[0], kept[ends]]), pa.int32())
    values = flat.filter(pa.array(there))
    _note_gaps(flat.null_count, audit)
    return _set(table, "items", pa.ListArray.from_arrays(offsets, values, mask=pc.is_null(lists)))


def _note_gaps(count: int, audit: Audit) -> None:
    what = "1 item of a list has" if count == 1 else f"{count:,} items of lists have"
    audit.notes.append(f"{what} no id, and no part in its list.")


def _apart(table: pa.Table, audit: Audit) -> pa.Table:
    """Return lists that have a list of times as a row for each of their events."""
    if not (_has(table, "items") and _has(table, "times")):
        return table
    items, times = table["items"].combine_chunks(), table["times"].combine_chunks()
    sizes = [np.asarray(pc.fill_null(pc.list_value_length(each), -1)) for each in (items, times)]
    both = (sizes[0] >= 0) & (sizes[1] >= 0)
    right = both & (sizes[0] == sizes[1])
    for row in np.flatnonzero(both & ~right).tolist():
        reason = f"its {sizes[0][row]:,} items have {sizes[1][row]:,} times"
        audit.drop(table["id"][row].as_py(), reason)
    numbered = _set(table, _ROW, pa.array(np.arange(len(table))))
    whole = numbered.filter(pa.array(~both)).drop_columns(["times"])
    lists = numbered.filter(pa.array(right)).drop_columns(["items", "times"])
    user = pc.coalesce(lists["user"], lists["id"]) if "user" in lists.column_names else lists["id"]
    lists = _set(lists, "user", user)
    lists = lists.take(pa.array(np.repeat(np.arange(len(lists)), sizes[0][right])))
    lists = _set(lists, "item", items.filter(pa.array(right)).flatten())
    lists = _set(lists, "time", times.filter(pa.array(right)).flatten())
    if gaps := lists["item"].null_count:
        _note_gaps(gaps, audit)
        lists = lists.filter(pc.is_valid(lists["item"]))
    every = pa.concat_tables([whole, lists], promote_options="permissive")
    order = np.argsort(np.asarray(every[_ROW]), kind="stable")
    return every.take(pa.array(order)).drop_columns([_ROW]).combine_chunks()


def _set(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, values)
    return table.append_column(name, values)


def _timed(table: pa.Table, audit: Audit) -> pa.Table:
    """Return the table with all times in one unit, without rows whose time is far from others."""
    if not _has(table, "time"):
        return table
    times = table["time"].combine_chunks()
    found = in_one_unit(np.asarray(pc.fill_null(times, float("nan"))))
    audit.notes += found.notes
    if not (found.notes or found.strange.any()):
        return table
    for row in np.flatnonzero(found.strange).tolist():
        reason = f"its time {found.times[row]:.15g} is no date, as those of the others are"
        audit.drop(table["id"][row].as_py(), reason)
    made = pa.array(found.times, from_pandas=True)
    return _set(table, "time", made).filter(pa.array(~found.strange))


def _by_session(table: pa.Table, audit: Audit) -> pa.Table:
    """Return the table with a user for each session, ``NAME#1`` for the first of a user.

    Raises:
        HeadstartError: no column names sessions.
    """
    if not _has(table, "session"):
        raise HeadstartError(
            "interactions.hold_out=session needs sessions; name their column with --column "
            "session=COLUMN, or set interactions.session_gap to the seconds between two."
        )
    there = pc.and_(pc.is_valid(table["session"]), pc.is_valid(table["user"]))
    for name in table["id"].filter(pc.invert(there)).to_pylist():
        audit.drop(name, "it has no session, and others have one")
    table = table.filter(there).combine_chunks()
    users, sessions = (
        np.asarray(table[name].combine_chunks().dictionary_encode().indices).astype(np.int64)
        for name in ("user", "session")
    )
    key = users * (sessions.max(initial=0) + 1) + sessions
    when = np.arange(len(key), dtype=np.float64)
    if _has(table, "time"):
        times = np.asarray(pc.fill_null(table["time"], float("inf")))
        when = np.lexsort((when, times)).argsort().astype(np.float64)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    begins = np.full(len(first), np.inf)
    np.minimum.at(begins, inverse, when)
    order = np.lexsort((begins, users[first]))
    of_user = users[first][order]
    number = np.empty(len(first), dtype=np.int64)
    number[order] = np.arange(len(order)) - np.searchsorted(of_user, of_user) + 1
    counted = pa.array(number[inverse]).cast(pa.string())
    named = pc.binary_join_element_wise(table["user"].combine_chunks(), counted, "#")
    return _set(table, "user", named)


def _refuse_none(table: pa.Table) -> None:
    """Refuse a table in which no row has an item and a user.

    Raises:
        HeadstartError: the message says which of them is missing.
    """
    item = pc.is_valid(table["item"]) if _has(table, "item") else None
    lists = pc.is_valid(table["items"]) if _has(table, "items") else None
    if lists is not None or item is None:
        return
    if not _has(table, "user") or not pc.any(pc.and_(item, pc.is_valid(table["user"]))).as_py():
        raise HeadstartError(
            "no row has both an item and a user, so nothing tells whose items they are; name the "
            "column of the users with --column user=COLUMN."
        )


def _note_untimed(table: pa.Table, audit: Audit) -> None:
    """Say where no event has a time, or name the sources in which none has where others do."""
    if not _has(table, "time"):
        if _has(table, "item") and not _has(table, "items"):
            audit.notes.append(
                "No column of times is read, so that the events of a user stand in the order of "
                "the file; name one with --column time=COLUMN."
            )
        return
    missing = np.asarray(pc.is_null(table["time"]))
    if not missing.any():
        return
    files = pc.replace_substring_regex(table["id"], r":\d+$", "").combine_chunks()
    coded = files.dictionary_encode()
    codes = np.asarray(coded.indices)
    total = np.bincount(codes, minlength=len(coded.dictionary))
    bare = np.flatnonzero(np.bincount(codes[missing], minlength=len(total)) == total)
    names = [coded.dictionary[int(code)].as_py() for code in bare]
    if names:
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        audit.notes.append(
            f"{', '.join(names[:_NAMED])}{more}: no event has a time, and those of other sources "
            f"have one, so that all {int(total[bare].sum()):,} are set aside; name the column with "
            "--column time=COLUMN, or read these sources alone."
        )


def _check_values(table: pa.Table, audit: Audit) -> None:
    """Note values whose best one seems to be the lowest.

    Raises:
        HeadstartError: there is no value.
    """
    if not _has(table, "value"):
        raise HeadstartError(
            "interactions.least_value asks for values, and no row has one; name their column with "
            "--column value=COLUMN, or leave the option out."
        )
    if _has(table, "item") and upside_down(table["item"], table["value"]):
        audit.notes.append(
            "Values may be upside down: most are low, and the commoner an item is the lower they "
            "are. interactions.least_value keeps high ones; where 1 is best, subtract each from "
            "the highest first."
        )
