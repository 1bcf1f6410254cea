"""Without test records a file is split so that copies, groups and later times are never learned."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from making import measuring, plan

from headstart.data.groups import groups_of
from headstart.errors import HeadstartError
from headstart.evaluation.draws import draw
from headstart.evaluation.heads.folds import deal, divide, shuffled
from headstart.evaluation.outcomes import Candidate
from headstart.evaluation.protocols.fewshot import episodes
from headstart.evaluation.protocols.reading import labeled_records
from headstart.evaluation.protocols.regression import RidgeProbe
from headstart.evaluation.protocols.tested_groups import group_caution
from headstart.modalities.text.modality import TextModality


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return str(path)


def copied(path: Path, texts: int = 60, times: int = 4) -> str:
    """Write texts several times each, with labels at random."""
    rng = np.random.default_rng(0)
    rows = [
        {"text": f"text no {n} of {n * n} words about {n % 11}", "label": "ab"[rng.integers(2)]}
        for n in range(texts)
    ]
    for n, row in enumerate(rows):
        row |= {"patient": f"p{n % 10}", "day": f"2024-01-{1 + n % 20:02}"}
    return write(path, rows * times)


def rows_of(source: str) -> list[dict[str, Any]]:
    with Path(source).open() as file:
        return list(csv.DictReader(file))


def read(source: str, **options: Any) -> tuple[Dataset, Dataset | None, list[str]]:
    notes: list[str] = []
    config = plan(task=options.pop("task", "classification"), **options)
    config = config.model_copy(update={"train": source})
    train, test = labeled_records(config, TextModality(), None, {}, notes)
    return train, test, notes


def vectors(records: Dataset) -> np.ndarray:
    """Return a random vector (N,16) of each text, the same for copies."""
    names = sorted(set(records["text"]))
    table = np.random.default_rng(1).standard_normal((200, 16)).astype(np.float32)
    return np.stack([table[names.index(text)] for text in records["text"]])


@pytest.mark.parametrize("folds", [0, 5])
def test_random_labels_of_copied_texts_score_at_chance(tmp_path: Path, folds: int) -> None:
    train, test, notes = read(copied(tmp_path / "a.csv"), folds=folds, labels=["all"])
    assert "240 of 240 texts are copies or near copies of others" in notes[0]
    whole = (
        train
        if test is None
        else Dataset.from_dict(
            {**{name: [*train[name], *test[name]] for name in ("id", "text", "label")}}
        )
    )
    features = vectors(whole)
    mine = Candidate(
        "mine",
        "pretrained",
        features[: len(train)],
        None if test is None else features[len(train) :],
        heads=("kNN", "logistic regression"),
    )
    config = plan(folds=folds, labels=["all"])
    results = measuring("classification")([mine], train, test, config)
    for outcome in results.outcomes:
        assert 0.3 < outcome.mean < 0.7, outcome.probe
        assert not outcome.validation > 0.75  # the folds that choose a setting divide none either


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_group_is_on_one_side(tmp_path: Path, task: str) -> None:
    source = copied(tmp_path / "a.csv", times=1)
    column = {"columns": {"label": "number"}} if task == "regression" else {}
    if task == "regression":
        rows = [{**row, "number": n / 7} for n, row in enumerate(rows_of(source))]
        source = write(tmp_path / "b.csv", rows)
    train, test, notes = read(source, task=task, group="patient", **column)
    assert test is not None
    patients = {row["text"]: row["patient"] for row in rows_of(source)}
    sides = [{patients[text] for text in part["text"]} for part in (train, test)]
    assert not sides[0] & sides[1]
    assert len(sides[1]) == 2
    assert any("10 groups by 'patient', which no split divides" in note for note in notes)
    assert len(np.unique(groups_of(train))) == 8


def test_training_comes_before_the_test(tmp_path: Path) -> None:
    source = copied(tmp_path / "a.csv", times=1)
    train, test, notes = read(source, split_by="time", time_column="day")
    assert test is not None
    assert max(train["time"]) < min(test["time"])
    assert len(test) == 12
    assert any("tested (--split-by time)" in note for note in notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split_by": "time", "folds": 5}, "leave out --folds"),
        ({"split_by": "time", "test": "b.csv"}, "leave out --test"),
        ({"split_by": "time", "task": "clustering"}, "--split-by time serves classification"),
        ({"group": "patient", "task": "clustering"}, "--group serves classification"),
        ({"group": "patiant"}, r"no column 'patiant'.*did you mean 'patient'.*--group patiant"),
        ({"group": "label"}, "no record can be held out"),
    ],
)
def test_what_cannot_be_divided_is_refused_in_a_sentence(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(HeadstartError, match=message) as refused:
        read(copied(tmp_path / "a.csv", times=1), **options)
    assert len(str(refused.value).replace(str(tmp_path), "")) <= 300


def test_test_records_of_ones_own_need_no_group(tmp_path: Path) -> None:
    source = copied(tmp_path / "a.csv", times=1)
    other = write(
        tmp_path / "b.csv", [{"text": f"new {n}", "label": "ab"[n % 2]} for n in range(12)]
    )
    train, test, notes = read(source, group="patient", test=other)
    assert test is not None
    assert any(note.startswith(f"{other} has no column 'patient'") for note in notes)
    assert len(test) == 12
    assert len(np.unique(groups_of(train))) == 10


def test_groups_on_both_sides_of_ones_own_split_are_said(tmp_path: Path) -> None:
    source = copied(tmp_path / "a.csv", times=1)
    rows = [
        {"text": f"new {n}", "label": "ab"[n % 2], "patient": f"p{8 + n % 4}"} for n in range(12)
    ]
    other = write(tmp_path / "b.csv", rows)
    config = plan(task="classification", group="patient", test=other)
    config = config.model_copy(update={"train": source})
    audits: dict[str, Any] = {}
    notes: list[str] = []
    _, test = labeled_records(config, TextModality(), None, audits, notes)
    assert test is not None
    assert test.column_names == ["id", "text", "label"]
    assert any("6 of 12 test records are of 2 group(s) by 'patient'" in note for note in notes)
    assert group_caution(audits, 12) == ["50.0% of the test records are of groups in training"]
    assert group_caution({"test": {}}, 12) == []


def test_inner_folds_divide_no_group() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    classes = groups % 2
    parts = deal(classes, 5, rng, groups)
    assert parts is not None
    assert all(len(np.unique(parts[groups == group])) == 1 for group in range(40))
    assert np.bincount(parts).tolist() == [40] * 5
    division = divide(classes, np.random.default_rng(1), groups)
    assert division.parts is not None
    assert all(len(np.unique(division.parts[groups == group])) == 1 for group in range(40))
    assert deal(np.array([0, 0, 1, 1]), 5, rng, np.array([0, 0, 1, 1])) is None


def test_no_query_of_an_episode_is_a_copy_of_an_example() -> None:
    groups = np.repeat(np.arange(12), 3)
    support = [np.arange(0, 18), np.arange(18, 36)]
    for episode in episodes(support, None, 2, 2, 20, 0, groups):
        assert not set(groups[episode.support]) & set(groups[episode.queries])
        assert len(episode.queries)
    with pytest.raises(HeadstartError, match="every record beside the examples"):
        next(episodes(support, None, 2, 1, 1, 0, np.repeat([0, 1], 18)))


def test_draws_are_those_of_before_where_no_record_is_grouped() -> None:
    classes = np.arange(100) % 3
    one, two = (divide(classes, np.random.default_rng(5), groups) for groups in (None, None))
    assert one.parts is not None
    assert two.parts is not None
    assert np.array_equal(one.parts, two.parts)
    assert len(draw(classes, 10, 0)) == 10


def test_random_folds_divide_no_group_unless_there_is_one_alone() -> None:
    groups = np.repeat(np.arange(7), 3)
    parts = shuffled(21, 3, np.random.default_rng(0), groups)
    assert sorted(set(parts.tolist())) == [0, 1, 2]
    assert all(len(set(parts[groups == group].tolist())) == 1 for group in range(7))
    plain = np.random.default_rng(0).permutation(21) % 3
    assert np.array_equal(shuffled(21, 3, np.random.default_rng(0)), plain)
    single = shuffled(21, 3, np.random.default_rng(0), np.zeros(21, dtype=int))
    assert np.array_equal(single, plain)


def test_a_regression_on_copies_chooses_as_if_each_were_alone() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((40, 30)).astype(np.float32)
    groups = np.repeat(np.arange(40), 4)
    targets = rng.standard_normal(40)[groups]  # nothing to learn
    probe = RidgeProbe(rows[groups])
    _, alone = probe.predict(rows[groups], targets, rows)
    _, whole = probe.predict(rows[groups], targets, rows, groups)
    assert alone > 0.5  # copies tell each other
    assert whole < 0.2
