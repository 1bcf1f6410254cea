"""What is done by column equals what a plain loop over rows gives, on small and odd tables."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset

from headstart.data.audit import Audit
from headstart.data.columns import LABEL
from headstart.downstream.interactions.split import NEVER, divided
from headstart.errors import HeadstartError
from headstart.modalities.interactions.content import INTERACTIONS, ROWS, digests
from headstart.modalities.interactions.held_out import held_out
from headstart.modalities.interactions.histories import events_of, gathered, sequences_of
from headstart.modalities.interactions.lists import arrow
from headstart.modalities.interactions.options import InteractionOptions
from headstart.modalities.interactions.processor import FIRST, UNKNOWN, ItemProcessor
from headstart.modalities.interactions.records import labels_of, stored
from headstart.modalities.tokens.token_file import TokenFile
from headstart.seeding import derive

Found = dict[str, tuple[list[str], list[float] | None, str | None]]


def table(rows: list[dict[str, Any]]) -> Dataset:
    """Rows as the sources give them, in several pieces."""
    kinds = {
        "id": pa.string(),
        **{field.name: field.type() for field in ROWS},
        "label": pa.string(),
    }
    schema = pa.schema(list(kinds.items()))
    parts = [pa.Table.from_pylist(rows[at : at + 7], schema) for at in range(0, len(rows), 7)]
    return Dataset(pa.concat_tables(parts) if parts else schema.empty_table())


def drawn(seed: int, kind: str, count: int = 60) -> list[dict[str, Any]]:
    """Rows with gaps, ties, repeats and names that are alike."""
    rng = np.random.default_rng(seed)

    def some(values: list[Any], gaps: float) -> Any:
        return None if rng.random() < gaps else values[int(rng.integers(len(values)))]

    rows = []
    for number in range(count):
        listed = kind == "lists" or (kind == "both" and rng.random() < 0.4)
        items = [str(rng.integers(6)) for _ in range(int(rng.integers(1, 5)))]
        rows.append(
            {
                "id": f"t.csv:{number}",
                "user": some(["a", "b", "é", "b c", ""], 0.15),
                "item": None if listed else some(["1", "2", "3", "x", "ü"], 0.1),
                "items": items if listed else None,
                "time": some([1.0, 2.0, 2.5, -3.0, 7.0], 0.1) if seed % 3 else None,
                "value": some([1.0, 4.0, 5.0], 0.2),
                "label": some(["yes", "no", ""], 0.6) if seed % 2 else None,
            }
        )
    return rows


def one_by_one(
    rows: list[dict[str, Any]], options: InteractionOptions
) -> tuple[Found, list[tuple[str, str]]]:
    """The naive reference: the records by name, and the rows that are set aside with reasons."""
    timed = any(row["time"] is not None for row in rows)
    bad, events = [], []
    for row in rows:
        reason = None
        if row["items"] is None:
            if row["item"] is None:
                reason = "it has no item"
            elif row["user"] is None:
                reason = "it has no user"
            elif options.least_value is not None and row["value"] is None:
                reason = "it has no value, and interactions.least_value asks for one"
        if reason is None and timed and row["time"] is None:
            reason = "it has no time, and others have one"
        if reason is not None:
            bad.append((row["id"], reason))
            continue
        low = options.least_value
        if low is not None and row["value"] is not None and row["value"] < low:
            continue
        owner = row["user"] or row["id"]
        own = row["items"] if row["items"] is not None else [row["item"]]
        events += [(owner, item, row["time"] if timed else None) for item in own]
    users = list(dict.fromkeys(owner for owner, _, _ in events))
    ties = list(range(len(events)))
    if timed and options.ties == "shuffle":
        ties = np.random.default_rng(derive(0, "ties")).permutation(len(events)).tolist()
    keys = [
        (users.index(owner), time if timed else 0, tie)
        for (owner, _, time), tie in zip(events, ties, strict=True)
    ]
    events = [
        event for _, event in sorted(zip(keys, events, strict=True), key=lambda each: each[0])
    ]
    left: list[tuple[str, str, float | None]] = []
    for event in events:
        if options.repeats == "merge" and left and left[-1][:2] == event[:2]:
            continue
        if options.repeats == "first" and any(each[:2] == event[:2] for each in left):
            continue
        left.append(event)
    while True:
        often = Counter(owner for owner, _, _ in left)
        pairs = Counter(item for _, item in {each[:2] for each in left})
        fewer = [
            each
            for each in left
            if often[each[0]] >= options.least_events and pairs[each[1]] >= options.least_users
        ]
        if fewer == left:
            break
        left = fewer
    labels = {}
    for row in rows:
        if row["label"] is not None:
            labels[row["user"] or row["id"]] = row["label"]
    found: Found = {}
    parts: Counter[str] = Counter()
    last: tuple[str, str, float | None] | None = None
    name = ""
    for event in left:
        owner, item, time = event
        gap = options.session_gap
        if (
            last is None or last[0] != owner or (gap is not None and timed and time - last[2] > gap)  # type: ignore[operator]
        ):
            parts[owner] += 1
            name = f"{owner}#{parts[owner]}" if gap is not None else owner
            found[name] = ([], [] if timed else None, labels.get(owner) or None)
        found[name][0].append(item)
        if timed:
            found[name][1].append(time)  # type: ignore[union-attr, arg-type]
        last = event
    return found, bad


SETTINGS: list[dict[str, Any]] = [
    {},
    {"least_value": 4.0, "repeats": "keep"},
    {"ties": "shuffle", "repeats": "keep", "session_gap": 0.7},
    {"repeats": "first", "least_events": 3, "least_users": 2},
    {"session_gap": 3.0},
]


@pytest.mark.parametrize("kind", ["events", "lists", "both"])
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("seed", range(4))
def test_records_are_those_of_a_plain_loop(
    kind: str, settings: dict[str, Any], seed: int, tmp_path: Path
) -> None:
    options = InteractionOptions(**settings)
    rows = drawn(seed, kind)
    expected, bad = one_by_one(rows, options)
    audit = Audit()
    read = table(rows)
    try:
        found = sequences_of(
            gathered(events_of(arrow(read), audit, options), audit, options), options
        )
    except HeadstartError:
        assert not expected
        return
    labels = labels_of(arrow(read), found)
    fields = [*INTERACTIONS.fields, *([LABEL] if labels is not None else [])]
    records = stored(tmp_path / "records.arrow", fields, found, labels)
    assert [(row["where"], row["reason"]) for row in audit.summary()["records"]] == bad
    assert audit.kept == -len(bad)
    assert (labels is not None) == any(row["label"] is not None for row in rows)
    kept = records.to_dict()
    given = kept.get("label", [None] * len(records))
    assert list(zip(kept["id"], kept["items"], kept["times"], given, strict=True)) == [
        (name, items, times, label) for name, (items, times, label) in expected.items()
    ]


def test_histories_are_written_in_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("headstart.modalities.interactions.histories._EVENTS", 5)
    options = InteractionOptions()
    rows = drawn(1, "both", 90)
    expected, _ = one_by_one(rows, options)
    audit = Audit()
    found = sequences_of(
        gathered(events_of(arrow(table(rows)), audit, options), audit, options), options
    )
    assert len(list(found.parts())) > 3
    records = stored(tmp_path / "records.arrow", INTERACTIONS.fields, found, None)
    assert records["items"][:] == [items for items, _, _ in expected.values()]
    assert records["times"][:] == [times for _, times, _ in expected.values()]


def sequences(seed: int, *, timed: bool) -> Dataset:
    rng = np.random.default_rng(seed)
    items = [[str(n) for n in rng.integers(0, 9, int(rng.integers(1, 7)))] for _ in range(23)]
    times = [sorted(rng.integers(0, 50, len(each)).astype(float).tolist()) for each in items]
    names = [f"u{number}" for number in range(len(items))]
    given = times if timed else [None] * len(items)
    kind = pa.schema(
        {"id": pa.string(), "items": pa.list_(pa.string()), "times": pa.list_(pa.float64())}
    )
    parts = [
        pa.table(
            {"id": names[at : at + 5], "items": items[at : at + 5], "times": given[at : at + 5]}
        )
        for at in range(0, len(items), 5)
    ]
    return Dataset(pa.concat_tables([part.cast(kind) for part in parts]))


@pytest.mark.parametrize("how", ["last", "time"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_held_out_is_that_of_a_plain_loop(how: str, seed: int) -> None:
    records = sequences(seed, timed=how == "time").select([*range(3, 20), 1])
    held = held_out(records, InteractionOptions(hold_out=how))
    rows = records.to_list()
    every = [time for row in rows for time in row["times"] or []]
    cuts = [np.quantile(every, share, method="lower") if every else 0.0 for share in (0.8, 0.9)]
    ends, validating, testing = [], [], []
    for i, row in enumerate(rows):
        size = len(row["items"])
        if how == "last":
            ends.append(size - 2 if size >= 3 else size)
            validating += [(i, size - 2)] if size >= 3 else []
            testing += [(i, size - 1)] if size >= 3 else []
            continue
        ends.append(sum(time <= cuts[0] for time in row["times"]))
        for at, time in enumerate(row["times"]):
            if at and time > cuts[1]:
                testing.append((i, at))
            elif at and time > cuts[0]:
                validating.append((i, at))
    assert held.ends.tolist() == ends
    for found, expected in ((held.validating, validating), (held.testing, testing)):
        both = zip(found.records.tolist(), found.positions.tolist(), strict=True)
        assert list(both) == expected
    assert held.train.to_list() == [
        {
            "id": row["id"],
            "items": row["items"][:end],
            "times": None if row["times"] is None else row["times"][:end],
        }
        for row, end in zip(rows, ends, strict=True)
        if end
    ]
    assert held.train.features == records.features


def test_the_catalogue_and_its_ids_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    records = sequences(5, timed=False)
    options = InteractionOptions()
    held = held_out(records, options)
    counts = Counter(item for items in held.train["items"] for item in items)
    processor = ItemProcessor.fitted(held.train)
    assert processor.names == sorted(counts, key=lambda name: (-counts[name], name))
    smaller = ItemProcessor(processor.names[:5])
    stored_counts = smaller.store(held.train, tmp_path / "train")
    file = TokenFile.open(tmp_path / "train")
    expected = [[smaller.ids.get(item, UNKNOWN) for item in items] for items in held.train["items"]]
    bounds = pairwise(file.offsets.tolist())
    assert [file.tokens[begin:end].tolist() for begin, end in bounds] == expected
    flat = [one for each in expected for one in each]
    assert stored_counts.tolist() == np.bincount(flat, minlength=FIRST + 5).tolist()

    parts = divided(records, smaller, options)
    codes = [
        [smaller.ids[item] - FIRST if item in smaller.ids else NEVER for item in items]
        for items in records["items"]
    ]
    train = [
        [code for code in each[:end] if code != NEVER]
        for each, end in zip(codes, held.ends, strict=True)
    ]
    assert [each.tolist() for each in parts.train] == train
    tested = held.testing.records.tolist()
    assert parts.users == [records["id"][i] for i in tested]
    for found, further in ((parts.validating, 0), (parts.testing, 1)):
        ends = {i: held.ends[i] + further for i in tested}
        before = [[code for code in codes[i][: ends[i]] if code != NEVER] for i in tested]
        assert [each.tolist() for each in found.histories] == before
        assert found.items.tolist() == [codes[i][ends[i]] for i in tested]
        assert found.users.tolist() == list(range(len(tested)))


def test_digests_tell_items_and_their_borders_apart() -> None:
    lists = [["a", "b"], ["ab"], ["b", "a"], ["a", "b"], ["é"], ["12", "1"], ["1", "21"]]
    found = digests(Dataset.from_dict({"items": lists})).tolist()
    assert found[0] == found[3]
    assert len(set(found)) == len(lists) - 1
