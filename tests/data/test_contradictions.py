"""Copies with different labels are counted, named, and bound the score where that is certain."""

from __future__ import annotations

from datasets import Dataset

from headstart.data.contradictions import ceiling, contradictions, contradictory
from headstart.modalities.text.content import TEXT


def records(rows: list[tuple[str, str | None]]) -> Dataset:
    texts, labels = zip(*rows, strict=True)
    names = [f"a.csv:{number}" for number in range(2, 2 + len(rows))]
    return Dataset.from_dict({"id": names, "text": list(texts), "label": list(labels)})


def test_they_are_counted_and_three_are_named() -> None:
    rows = [(f"text {number}", label) for number in range(5) for label in ("pos", "neg")]
    found = contradictions(
        records([*rows, ("alone", "pos"), ("twice", "neg"), ("twice", "neg")]), TEXT
    )
    assert (found.records, found.labeled) == (10, 13)
    assert found.caution() == ["76.9% of the labeled texts have a copy with another label"]
    (sentence,) = found.sentences()
    assert sentence.startswith("10 of 13 labeled texts (76.9%) have a copy with another label: ")
    assert sentence.count(" is 'pos' and ") == 3
    assert "a.csv:2 is 'pos' and a.csv:3 'neg'" in sentence


def test_few_of_them_are_no_caution() -> None:
    rows = [(f"text {number}", "pos") for number in range(300)]
    found = contradictions(records([*rows, ("text 0", "neg")]), TEXT)
    assert found.records == 2
    assert not found.caution()
    assert found.sentences()


def test_labels_that_agree_are_missing_or_are_quantities_contradict_nothing() -> None:
    assert not contradictions(records([("a", "x"), ("a", "x"), ("b", "y")]), TEXT).records
    assert not contradictions(records([("a", "x"), ("a", None), ("b", "y")]), TEXT).records
    assert not contradictions(records([("a", f"{n}.5") for n in range(40)]), TEXT).records
    unlabeled = records([("a", "x"), ("a", "y")]).remove_columns("label")
    assert not contradictions(unlabeled, TEXT).sentences()


def test_training_and_test_records_contradict_each_other() -> None:
    train, test = records([("a", "x"), ("b", "y")]), records([("a", "y"), ("c", "x")])
    assert contradictory(train, None, TEXT).records == 0
    assert contradictory(train, test, TEXT).records == 2


def test_a_ceiling_is_of_copies_that_are_the_same_in_every_byte() -> None:
    assert ceiling(records([("a", "x"), ("a", "y"), ("a", "x"), ("b", "y")]), TEXT) == 0.75
    assert ceiling(records([("a", "x"), ("A", "y"), ("b", "y")]), TEXT) is None
    assert ceiling(records([("a", "x"), ("a", "x"), ("b", "y")]), TEXT) is None
