"""Labels that double classes, or have too few records, are noted in a sentence."""

from __future__ import annotations

import pytest
from datasets import Dataset

from headstart.data.labels import (
    few_notes,
    known,
    one_class_notes,
    quantity_notes,
    single_notes,
    spelling_notes,
)
from headstart.errors import HeadstartError


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        (["pos", "Pos", "neg"], "'Pos' and 'pos' differ"),
        (["new york", "New  York", "rome"], "'New  York' and 'new york' differ"),
        (["1", "1.0", "2"], "'1' and '1.0' differ"),
        (["caf\u00e9", "cafe\u0301"], "differ only in case, spaces"),
        (["A", "a", "B", "b"], "'A' and 'a', 'B' and 'b' differ"),
    ],
)
def test_spellings_of_one_label_are_named(labels: list[str], named: str) -> None:
    (note,) = spelling_notes(labels, "train.csv")
    assert note.startswith("train.csv: ")
    assert named in note


def test_different_labels_are_not_taken_for_spellings() -> None:
    assert spelling_notes(["a", "b", "1", "2", "nan", "ä"], "train.csv") == []


def test_unknown_classes_are_left_out_and_counted() -> None:
    labels = ["a", "c", "b", "c", "d"]
    records = Dataset.from_dict({"id": list("vwxyz"), "label": labels})
    notes: list[str] = []
    kept = known(records, ["a", "b"], "test.csv", notes)
    assert list(kept["id"]) == ["v", "x"]
    assert notes == [
        "3 of 5 records of test.csv have a label that no training record has, and were left out: "
        "'c' (2), 'd' (1)."
    ]
    assert known(kept, ["a", "b", "e"], "test.csv", notes) is kept
    assert len(notes) == 1
    with pytest.raises(HeadstartError, match="its labels are 'a', 'b', those of the training"):
        known(kept, ["e"], "test.csv", notes)


def test_many_numbers_may_be_quantities() -> None:
    assert "40 different numbers" in quantity_notes([str(n / 4) for n in range(40)], "f.csv")[0]
    assert quantity_notes([str(n % 40) for n in range(400)], "f.csv") == []
    assert quantity_notes([f"k{n}" for n in range(40)], "f.csv") == []


def test_tested_records_that_prove_little_are_noted() -> None:
    assert few_notes(10, "f.csv") == []
    assert "only 1 labeled record can" in few_notes(1, "f.csv")[0]
    assert "the label 'a'" in one_class_notes(["a", "a"], "f.csv")[0]
    assert one_class_notes(["a", "b"], "f.csv") == one_class_notes(["a"], "f.csv") == []


def test_classes_of_one_record_are_noted_if_others_have_more() -> None:
    assert "the class 'z' has a single" in single_notes(["a", "a", "z"], "f.csv")[0]
    assert "2 classes have a single" in single_notes(["a", "a", "y", "z"], "f.csv")[0]
    assert single_notes(["a", "b"], "f.csv") == []
