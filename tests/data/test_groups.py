"""Named groups, copies and near copies are one group, and no split divides it."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from datasets import Dataset

from headstart.data.group_splits import deal_groups, split_groups
from headstart.data.groups import GROUP, grouping, groups_of, joined, together
from headstart.data.split import folds, hold_out, split
from headstart.errors import HeadstartError
from headstart.modalities.text.content import TEXT

near = pytest.mark.skipif(find_spec("rensa") is None, reason="needs the extra audit")
LONG = "the film was seen by many people in town and they said that it is a story of two old {}"


def records(texts: list[str], **columns: list[object]) -> Dataset:
    return Dataset.from_dict(
        {"id": [f"a.csv:{n}" for n in range(len(texts))], "text": texts} | columns
    )


def grouped(found: Dataset, **options: object) -> tuple[np.ndarray | None, list[str]]:
    notes: list[str] = []
    return grouping(found, TEXT, notes, where="a.csv", **options), notes  # type: ignore[arg-type]


def apart(groups: np.ndarray, parts: tuple[np.ndarray, np.ndarray]) -> bool:
    return not set(groups[parts[0]]) & set(groups[parts[1]])


def test_copies_are_one_group_whatever_their_case_and_spaces() -> None:
    groups, notes = grouped(records(["one text", "another", "One  TEXT", "third"]))
    assert groups is not None
    assert groups[0] == groups[2]
    assert len(set(groups)) == 3
    assert (
        notes[-1] == "a.csv: 2 of 4 texts are copies or near copies of others; "
        "these stay on one side of every split."
    )


def test_where_each_record_stands_alone_nothing_changes() -> None:
    notes: list[str] = []
    found = together(records(["one text", "another", "third"]), TEXT, notes, where="a.csv")
    assert found.column_names == ["id", "text"]
    assert groups_of(found) is None
    assert not notes


@near
def test_whatever_a_chain_of_near_copies_joins_is_one_group() -> None:
    words = [f"word{n}" for n in range(40)]
    chain = [
        " ".join(f"other{n}" if n < step else words[n] for n in range(40)) for step in range(5)
    ]
    others = [f"{n} is a text of its own about {n * n} things" for n in range(8)]
    groups, _ = grouped(records(chain + others))
    assert groups is not None
    assert len(set(groups[:5])) == 1
    assert len(set(groups)) == 9


@near
def test_texts_of_one_form_are_not_taken_for_copies() -> None:
    texts = [LONG.format(f"friends no {n}") for n in range(20)]
    groups, notes = grouped(records([*texts, texts[0]]))
    assert groups is not None
    assert len(set(groups)) == 20
    assert "have a form in common" in notes[0]


@near
def test_near_copies_in_a_class_of_one_record_are_no_form_in_common() -> None:
    others = [f"{n} is a text of its own about {n * n} things" for n in range(8)]
    texts = [LONG.format("friends"), LONG.format("brothers"), *others]
    labels = ["rare", *["frequent"] * 9]
    groups, notes = grouped(records(texts, label=labels))
    assert groups is not None
    assert groups[0] == groups[1]
    assert not [note for note in notes if "form in common" in note]


def test_a_column_joins_records_and_copies_join_groups() -> None:
    found = records(["a", "b", "c", "d", "e", "a"], group=["x", "x", "y", "y", None, "z"])
    groups, notes = grouped(found, column="patient", near=False)
    assert groups is not None
    assert groups[0] == groups[1] == groups[5]
    assert groups[2] == groups[3]
    assert len(set(groups)) == 3
    assert notes == [
        "a.csv: 1 of 6 records have no value in 'patient'; each is a group of its own.",
        "a.csv: 3 groups by 'patient', which no split divides.",
    ]


def test_a_column_that_is_different_in_every_row_is_told() -> None:
    groups, notes = grouped(
        records(["a", "b", "c"], group=["1", "2", "3"]), column="id", near=False
    )
    assert groups is None
    assert "--group changes nothing; is it the right column?" in notes[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([None, None], "no record has a value in the column 'patient'"),
        (["x", "x"], "every record has the same value 'x' in the column 'patient'"),
    ],
)
def test_a_column_of_one_group_or_none_is_refused(values: list[str | None], message: str) -> None:
    with pytest.raises(HeadstartError, match=message) as refused:
        grouped(records(["a", "b"], group=values), column="patient", near=False)
    assert len(str(refused.value)) <= 300


def test_pairs_are_copies_where_both_sides_are() -> None:
    found = records(["a", "a", "a", "b"], pair=["x", "y", "x", "x"])
    groups, _ = grouped(found, near=False)
    assert groups is not None
    assert groups[0] == groups[2]
    assert len(set(groups)) == 3


def test_components_follow_all_links() -> None:
    links = [np.array([[1, 0], [3, 2]]), np.array([[2, 1]])]
    assert joined(5, links).tolist() == [0, 0, 0, 0, 1]
    assert joined(2, []).tolist() == [0, 1]


# -- splits --------------------------------------------------------------------------------------


def test_a_split_divides_no_group_and_keeps_the_shares_of_labels() -> None:
    groups = np.repeat(np.arange(60), 4)
    labels = ["a" if group % 3 else "b" for group in groups]
    train, test = split(labels, 0.2, seed=1, groups=groups)
    assert apart(groups, (train, test))
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(240))
    assert sum(labels[index] == "a" for index in test) == 32
    assert sum(labels[index] == "b" for index in test) == 16
    assert not np.array_equal(test, split(labels, 0.2, seed=2, groups=groups)[1])


def test_a_label_in_one_group_is_trained_on_and_a_large_group_too() -> None:
    groups = np.array([0] * 6 + list(range(1, 5)) + [5] * 20)
    labels = ["rare"] * 6 + ["a"] * 4 + ["a"] * 20
    for seed in range(5):
        train, test = split(labels, 0.2, seed=seed, groups=groups)
        assert apart(groups, (train, test))
        assert set(range(6)) <= set(train)
        assert set(range(10, 30)) <= set(train)
        assert len(test)


def test_of_groups_larger_than_the_share_the_smallest_is_tested() -> None:
    groups = np.repeat([0, 1], [60, 40])
    train, test = split_groups(np.zeros(100, dtype=np.int64), groups, 0.1, 0)
    assert (len(train), len(test)) == (60, 40)


def test_labels_that_are_one_group_each_cannot_be_held_out() -> None:
    with pytest.raises(HeadstartError, match="no record can be held out") as refused:
        split(["a"] * 5 + ["b"] * 5, groups=np.repeat([0, 1], 5))
    assert len(str(refused.value)) <= 300


def test_folds_divide_no_group_and_are_of_even_size() -> None:
    groups = np.repeat(np.arange(20), np.arange(1, 21))
    labels = ["a" if group % 2 else "b" for group in groups]
    pairs = folds(labels, 5, seed=3, groups=groups)
    assert all(apart(groups, pair) for pair in pairs)
    assert np.array_equal(np.sort(np.concatenate([test for _, test in pairs])), np.arange(210))
    assert max(len(test) for _, test in pairs) - min(len(test) for _, test in pairs) <= 8
    with pytest.raises(HeadstartError, match="'b' has 2 group"):
        folds(["a"] * 5 + ["b"] * 4, 5, groups=np.array([0, 1, 2, 3, 4, 5, 5, 6, 6]))


def test_folds_spread_every_label() -> None:
    groups = np.repeat(np.arange(30), 2)
    labels = groups % 3
    parts = deal_groups(labels, groups, 5, seed=0)
    assert all((np.bincount(labels[parts == part]) == 4).all() for part in range(5))


def test_what_is_held_out_by_id_keeps_groups_whole() -> None:
    groups = np.repeat(np.arange(200), 5)
    found = records([str(n) for n in range(1000)], group=groups.tolist())
    kept, held = hold_out(found, 0.1, seed=0)
    assert not set(kept[GROUP.name]) & set(held[GROUP.name])
    assert 50 < len(held) < 200
    few = found.select(range(10))  # two groups, of which the threshold takes none or both
    for seed in range(6):
        assert [len(part) for part in hold_out(few, 0.01, seed)] == [5, 5]
    with pytest.raises(HeadstartError, match="no record can be held out"):
        hold_out(found.select(range(5)), 0.1, seed=0)
