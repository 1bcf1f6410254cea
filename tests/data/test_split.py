"""Parting records is deterministic, stratified, and stable when records are added."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from headstart.data.audit import Audit
from headstart.data.split import folds, hold_out, labeled, split
from headstart.errors import HeadstartError

LABELS = ["a"] * 60 + ["b"] * 30 + ["c"] * 10


def ids(count: int) -> Dataset:
    return Dataset.from_dict({"id": [f"a.txt:{n}" for n in range(count)], "n": list(range(count))})


def shares(labels: list[str], indices: np.ndarray) -> dict[str, int]:
    names, counts = np.unique(np.array(labels)[indices], return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def test_a_split_is_stratified_and_parts_the_records() -> None:
    train, test = split(LABELS, 0.2, seed=1)
    assert shares(LABELS, test) == {"a": 12, "b": 6, "c": 2}
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(100))
    again = split(LABELS, 0.2, seed=1)
    assert np.array_equal(test, again[1])
    assert not np.array_equal(test, split(LABELS, 0.2, seed=2)[1])


def test_a_label_that_occurs_once_goes_to_training() -> None:
    train, test = split([*LABELS, "rare"], 0.5)
    assert 100 in train
    assert 100 not in test
    assert shares(LABELS[:61], split(LABELS[:61], 0.99)[0][:1]) == {"a": 1}


def test_folds_are_stratified_and_their_tests_part_the_records() -> None:
    pairs = folds(LABELS, 5, seed=3)
    assert all(shares(LABELS, test) == {"a": 12, "b": 6, "c": 2} for _, test in pairs)
    assert np.array_equal(np.sort(np.concatenate([test for _, test in pairs])), np.arange(100))
    for train, test in pairs:
        assert np.array_equal(np.setdiff1d(np.arange(100), test), train)


def test_folds_of_uneven_labels_are_of_even_size() -> None:
    sizes = [len(test) for _, test in folds(["a"] * 7 + ["b"] * 8 + ["c"] * 6, 5)]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("labels", [[], ["a"] * 10])
def test_one_label_alone_is_refused(labels: list[str]) -> None:
    with pytest.raises(HeadstartError, match="two or more different labels"):
        split(labels)
    with pytest.raises(HeadstartError, match="--column label=COLUMN"):
        folds(labels, 2)


def test_fewer_records_than_folds_is_refused() -> None:
    with pytest.raises(HeadstartError, match="label 'c' has 10 record"):
        folds(LABELS, 11)
    with pytest.raises(HeadstartError, match="only once"):
        split(["a", "b"])


def test_a_held_out_record_stays_held_out_when_others_are_added() -> None:
    kept, held = hold_out(ids(1000), 0.1, seed=0)
    assert 70 < len(held) < 130
    assert sorted([*kept["n"], *held["n"]]) == list(range(1000))
    _, more = hold_out(ids(3000), 0.1, seed=0)
    assert [n for n in more["n"] if n < 1000] == held["n"][:]
    shuffled = ids(1000).shuffle(seed=5)
    assert sorted(hold_out(shuffled, 0.1, seed=0)[1]["n"]) == held["n"][:]
    assert hold_out(ids(1000), 0.1, seed=1)[1]["n"][:] != held["n"][:]


@pytest.mark.parametrize("share", [1e-9, 0.5, 1.0])
def test_neither_side_is_empty_where_there_are_two_records(share: float) -> None:
    for count in (2, 3, 10):
        kept, held = hold_out(ids(count), share, seed=0)
        assert len(kept) > 0
        assert len(held) > 0


def test_nothing_is_held_out_of_one_record_or_at_share_zero(tmp_path: Path) -> None:
    assert [len(part) for part in hold_out(ids(1), 0.5, seed=0)] == [1, 0]
    assert [len(part) for part in hold_out(ids(9), 0.0, seed=0)] == [9, 0]


def test_records_without_a_label_are_set_aside_where_labels_are_needed() -> None:
    records = Dataset.from_dict({"id": ["a:1", "a:2", "a:3"], "label": ["x", None, "y"]})
    audit = Audit()
    audit.keep("a", 3)
    assert labeled(records, "a", audit)["id"][:] == ["a:1", "a:3"]
    assert audit.summary()["records"] == [{"where": "a:2", "reason": "it has no label"}]
    assert audit.kept == 2
    with pytest.raises(HeadstartError, match=r"b\.txt has no labels"):
        labeled(ids(3), "b.txt", audit)
