"""What fine-tuning holds out divides no group, and what makes its scores doubtful is told."""

from __future__ import annotations

import pytest
from datasets import Dataset

from headstart.config import FinetuneConfig
from headstart.downstream.classes import hold_out_of_each
from headstart.downstream.holding_out import check_division, gathered, held_out
from headstart.errors import HeadstartError
from headstart.modalities.text.content import TEXT


def records(texts: list[str], labels: list[str], **columns: list[object]) -> Dataset:
    names = [f"a.csv:{n}" for n in range(len(texts))]
    return Dataset.from_dict({"id": names, "text": texts, "label": labels} | columns)


def config(**options: object) -> FinetuneConfig:
    return FinetuneConfig(run="run", train="a.csv", out="out", **options)  # type: ignore[arg-type]


def some(count: int) -> tuple[list[str], list[str]]:
    """Return different texts, each four times, and labels at random."""
    texts = [f"the text no {n} is about {n * n} and {n % 7} things" for n in range(count)]
    return texts * 4, ["a", "b"] * (2 * count)


def test_copies_are_not_divided() -> None:
    texts, labels = some(25)
    found, cautions = gathered(records(texts, labels), None, config(), TEXT, [])
    kept, held = held_out(found, 0.2, config(), hold_out_of_each, [])
    assert not set(kept["text"]) & set(held["text"])
    assert len(held) == 20
    assert "group" not in kept.column_names
    assert cautions == ["100.0% of the labeled texts have a copy with another label"]


def test_the_latest_are_held_out_by_time() -> None:
    plan = config(split_by="time")
    texts = [f"{n} is {n * n}" for n in range(10)]
    found = records(texts, ["a", "b"] * 5, time=[str(9 - n) for n in range(10)])
    found, _ = gathered(found, None, plan, TEXT, [])
    notes: list[str] = []
    _, held = held_out(found, 0.2, plan, hold_out_of_each, notes)
    assert sorted(held["time"]) == ["8", "9"]
    assert "(--split-by time)" in notes[0]


def test_training_records_that_are_held_out_too_are_told() -> None:
    train = records(["one", "two", "three"], ["a", "b", "a"])
    held = records(["two", "new", "four"], ["b", "a", "b"])
    _, cautions = gathered(train, held, config(val="b.csv"), TEXT, [])
    assert cautions == [
        "33.3% of the held-out texts occur among the training ones, exactly or nearly"
    ]
    _, none = gathered(train, held.select([1]), config(val="b.csv"), TEXT, [])
    assert not none


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "g", "val": "b.csv"}, "--group says how records of --train are held out"),
        ({"split_by": "time", "val": "b.csv"}, "--split-by time says how"),
        ({"group": "g", "task": "tokens"}, "--group serves classification, .* and not tokens"),
    ],
)
def test_options_without_effect_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(HeadstartError, match=message) as refused:
        check_division(config(**options))
    assert len(str(refused.value)) <= 300


def test_a_time_column_needs_a_split_by_time() -> None:
    with pytest.raises(ValueError, match="--split-by time alone"):
        config(time_column="date")
