"""A split by time: training comes before the test, and no group is on both sides."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from headstart.config import EvaluateConfig
from headstart.data.audit import Audit
from headstart.data.times import TIME, latest, times
from headstart.errors import HeadstartError
from headstart.modalities.text.modality import TextModality


def records(when: list[str], **columns: list[object]) -> Dataset:
    names = [str(index) for index in range(len(when))]
    return Dataset.from_dict({"id": names, "text": names, "time": when} | columns)


def taken(value: object) -> tuple[str | None, str | None]:
    return TIME.take(value, None)  # type: ignore[arg-type]


def test_the_latest_fifth_is_tested() -> None:
    days = [f"2024-01-{day:02}" for day in range(1, 21)]
    order = np.random.default_rng(0).permutation(20)
    notes: list[str] = []
    parts = latest(records([days[index] for index in order]), 0.2, "a.csv", notes)
    kept, held = parts
    assert sorted(held["time"]) == days[16:]
    assert max(kept["time"]) < min(held["time"])
    assert notes == [
        "a.csv: 16 records from 2024-01-01 to 2024-01-16 are trained on, and the 4 later ones "
        "tested (--split-by time)."
    ]


def test_records_of_one_time_stay_together() -> None:
    parts = latest(records(["1"] * 5 + ["2"] * 2 + ["3"] * 3), 0.2, "a.csv", [])
    assert set(parts[1]["time"]) == {"3"}  # three of ten are nearer to a fifth than five are
    with pytest.raises(HeadstartError, match="every record has the same time '7'"):
        latest(records(["7"] * 5), 0.2, "a.csv", [])


def test_numbers_and_dates_are_ordered_by_their_value() -> None:
    assert times(records(["9", "10", "8.5"]), "a.csv").tolist() == [9, 10, 8.5]
    mixed = ["2024", "2024-05", "2023-12-31T23:00:00-05:00", "2024-01-01T02:00:00Z"]
    assert np.argsort(times(records(mixed), "a.csv")).tolist() == [0, 3, 2, 1]
    with pytest.raises(HeadstartError, match=r"numbers \('17'\) and others dates \('2024-01-02'\)"):
        times(records(["2024-01-02", "17"]), "a.csv")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (date(2024, 5, 1), "2024-05-01"),
        (datetime(2024, 5, 1, 12, tzinfo=UTC), "2024-05-01T12:00:00+00:00"),
        (1714521600, "1714521600"),
        (" 2024-05-01 ", "2024-05-01"),
    ],
)
def test_what_is_a_time(value: object, kept: str) -> None:
    assert taken(value) == (kept, None)


@pytest.mark.parametrize("value", ["05/01/2024", "yesterday", "nan1", [1]])
def test_what_is_none_is_named(value: object) -> None:
    assert taken(value)[0] is None
    assert "is no date such as 2024-05-31, and no number" in str(taken(value)[1])


def test_earlier_records_of_a_tested_group_are_left_out() -> None:
    when = [str(number) for number in range(10)]
    found = records(when, group=[0, 1, 2, 3, 4, 5, 6, 7, 0, 1])
    notes: list[str] = []
    parts = latest(found, 0.2, "a.csv", notes)
    assert [list(part["id"]) for part in parts] == [["2", "3", "4", "5", "6", "7"], ["8", "9"]]
    assert "2 earlier records are left out" in notes[1]
    with pytest.raises(HeadstartError, match="nothing is left to train on"):
        latest(records(when, group=[0, 1] * 5), 0.2, "a.csv", [])


def test_records_without_a_time_are_set_aside(tmp_path: Path) -> None:
    rows = [("one", "2024-01-01"), ("two", ""), ("three", "31.12.2023"), ("four", "2024-01-02")]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "posted"), *rows])
    source = str(tmp_path / "a.csv")
    config = EvaluateConfig(run="r", train=source, split_by="time", time_column="posted")
    audit = Audit()
    found = TextModality().read([source], config, audit)
    assert found["text"][:] == ["one", "four"]
    assert audit.reasons["it has no time, so --split-by time cannot place it"] == 1
    assert "time" not in TextModality().read([source], config.undivided(), Audit()).column_names
    missing = config.model_copy(update={"time_column": "when"})
    with pytest.raises(HeadstartError, match=r"no column 'when'.*--time-column when"):
        TextModality().read([source], missing, Audit())
    unnamed = config.model_copy(update={"time_column": None})
    with pytest.raises(HeadstartError, match=r"the time; name it with --time-column COLUMN"):
        TextModality().read([source], unnamed, Audit())
