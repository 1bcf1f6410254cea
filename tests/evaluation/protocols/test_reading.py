"""What the columns of a file ask for, and what becomes of its rows."""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from making import plan

from headstart.config import FinetuneConfig
from headstart.data.audit import Audit
from headstart.data.pairs import ALIKE, scores_of
from headstart.downstream.multilabel import MultiLabel
from headstart.errors import HeadstartError
from headstart.evaluation.protocols.reading import (
    labeled_records,
    numbered,
    read_labeled,
    read_pairs,
    read_searches,
    read_several,
    task_of,
)
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.modality import TextModality

scored_pairs = partial(read_pairs, names=ALIKE, scored=True)


def write(file: Path, rows: list[dict[str, Any]]) -> str:
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif file.suffix == ".parquet":
        import pandas as pd

        pd.DataFrame(rows).to_parquet(file)
    else:
        with file.open("w", newline="") as opened:
            table = csv.DictWriter(opened, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    return str(file)


def config(source: str, **options: Any):
    return plan().model_copy(update={"train": source, **options})


TEXTS = ["the first text", "a second text", "one more text"]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["good", "bad", "good"], "classification"),
        ([1, 2, 3], "classification"),
        ([1.0, 2.0, 3.0], "classification"),
        ([1.5, 2.0, 3.25], "regression"),
    ],
)
def test_plain_labels_determine_the_task(tmp_path, suffix, labels, task) -> None:
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, labels, strict=True)]
    assert task_of(config(write(tmp_path / f"train{suffix}", rows)), TEXT) == task


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_lists_of_labels_are_several_labels(tmp_path, suffix) -> None:
    lists = [["a", "b"], [], ["b"]]
    rows = [{"text": text, "labels": labels} for text, labels in zip(TEXTS, lists, strict=True)]
    source = config(write(tmp_path / f"train{suffix}", rows))
    assert task_of(source, TEXT) == "multilabel"
    found = read_several(source.train, source, TextModality(), None, Audit())
    assert found["label"][:] == lists
    assert found["text"][:] == TEXTS


@pytest.mark.parametrize(("separator", "mark"), [(None, "|"), (None, ";"), ("/", "/")])
def test_a_separator_parts_several_labels(tmp_path, separator, mark) -> None:
    rows = [{"text": TEXTS[0], "tags": f"a{mark} b"}, {"text": TEXTS[1], "tags": "b"}]
    rows += [{"text": TEXTS[2], "tags": ""}]
    source = config(
        write(tmp_path / "train.csv", rows), task="multilabel", label_separator=separator
    )
    found = read_several(source.train, source, TextModality(), None, Audit())
    assert found["label"][:] == [["a", "b"], ["b"], []]


def test_the_separator_of_the_training_records_holds_for_all(tmp_path) -> None:
    train = write(tmp_path / "train.csv", [{"text": TEXTS[0], "tags": "Bonn, DE|Paris"}] * 3)
    test = write(tmp_path / "test.csv", [{"text": TEXTS[0], "tags": "Bonn, DE"}] * 3)
    audit = Audit()
    source = config(train, task="multilabel", test=str(test))
    found = read_several(str(test), source, TextModality(), None, audit)
    assert found["label"][0] == ["Bonn, DE"]
    assert "parted by '|', as in" in audit.notes[0]
    options = FinetuneConfig(run="x", train=str(train), val=str(test), out="y", task="multilabel")
    found = MultiLabel.read(str(test), options, TextModality(), Audit())
    assert found["label"][0] == ["Bonn, DE"]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("names", [("s1", "s2", "score"), ("Sentence_A", "Sentence_B", "label")])
def test_pairs_with_a_score_are_flattened(tmp_path, suffix, names) -> None:
    rows = [
        dict(zip(names, (f"left {n}", f"right {n}", n / 2), strict=True), source="web")
        for n in range(3)
    ]
    source = config(write(tmp_path / f"train{suffix}", rows))
    assert task_of(source, TEXT) == "similarity"
    found = scored_pairs(source.train, source, TextModality(), None, Audit())
    assert found["text"][:] == [f"{side} {n}" for side in ("left", "right") for n in range(3)]
    assert scores_of(found).tolist() == [0, 0.5, 1]
    assert len(set(found["id"])) == 6


def test_pairs_in_columns_of_any_name_are_read_where_they_are_named(tmp_path) -> None:
    rows = [{"de": f"ein {n}", "en": f"one {n}", "alike": str(n)} for n in range(3)]
    columns = {"text": "de", "pair": "en", "label": "alike"}
    source = config(write(tmp_path / "train.csv", rows), columns=columns)
    assert task_of(source, TEXT) == "similarity"
    found = scored_pairs(source.train, source, TextModality(), None, Audit())
    assert found["text"][3] == "one 0"
    lost = source.model_copy(update={"columns": {**columns, "pair": "fr"}})
    with pytest.raises(HeadstartError, match=r"no column 'fr'.*check --column pair=fr"):
        task_of(lost, TEXT)


def test_broken_pairs_are_quarantined_with_their_reason(tmp_path) -> None:
    rows = [{"s1": "a b", "s2": "c d", "score": 1.5}, {"s1": "e f", "s2": "", "score": 2}]
    rows += [{"s1": "g h", "s2": "i j", "score": "high"}, {"s1": "k l", "s2": None, "score": 3}]
    source, audit = config(write(tmp_path / "train.jsonl", rows), task="similarity"), Audit()
    found = scored_pairs(source.train, source, TextModality(), None, audit)
    assert found["text"][:] == ["a b", "c d"]
    assert audit.reasons["its score is not a number"] == 1
    assert audit.reasons["the second record of its pair cannot be read"] == 2
    assert (audit.kept, audit.quarantined) == (1, 3)


def test_queries_and_answers_imply_retrieval(tmp_path) -> None:
    rows = [{"query": f"what is {n}", "document": f"it is {n}"} for n in range(3)]
    source = config(write(tmp_path / "train.jsonl", rows))
    assert task_of(source, TEXT) == "retrieval"
    found = read_searches(source.train, source, TextModality(), None, Audit())
    assert found["text"][3] == "it is 0"
    plain = [{"text": text, "label": "x"} for text in TEXTS]
    labeled = config(write(tmp_path / "labeled.jsonl", plain))
    by_label = read_searches(labeled.train, labeled, TextModality(), None, Audit())
    assert by_label["label"][:] == ["x"] * 3


def test_columns_that_hold_no_pairs_are_named_in_the_refusal(tmp_path) -> None:
    rows = [{"text": text, "stars": 1} for text in TEXTS]
    source = config(write(tmp_path / "train.csv", rows))
    with pytest.raises(HeadstartError, match=r"pair=COLUMN \(its columns are 'text', 'stars'\)"):
        scored_pairs(source.train, source, TextModality(), None, Audit())


def test_labels_that_are_no_numbers_are_quarantined_from_a_regression(tmp_path) -> None:
    labels = ["1.5", "2", "many"]
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, labels, strict=True)]
    source, audit = config(write(tmp_path / "train.csv", rows)), Audit()
    found = read_labeled(source.train, source, TextModality(), None, audit, keep=numbered)
    assert found["label"][:] == [1.5, 2.0]
    assert audit.reasons["its label is not a number"] == 1
    assert (audit.kept, audit.quarantined) == (2, 1)


@pytest.mark.parametrize(("task", "split"), [("regression", True), ("clustering", False)])
def test_one_file_is_split_where_something_is_learned(tmp_path, task, split) -> None:
    rows = [{"text": f"text number {n}", "label": n + 0.5} for n in range(30)]
    source = config(write(tmp_path / "train.csv", rows), task=task)
    audits: dict[str, Any] = {}
    notes: list[str] = []
    train, test = labeled_records(source, TextModality(), None, audits, notes)
    assert audits["train"]["kept"] == 30
    if not split:
        assert test is None
        return
    assert test is not None
    assert (len(train), len(test)) == (24, 6)
    assert not set(train["id"]) & set(test["id"])
    with pytest.raises(HeadstartError, match="--folds serves classification and not regression"):
        labeled_records(source.model_copy(update={"folds": 3}), TextModality(), None, audits, notes)


def test_sts_is_read_as_it_comes(shared_data) -> None:
    source = config(str(shared_data("sts_en") / "stsb_test.jsonl"))
    assert task_of(source, TEXT) == "similarity"
    found = scored_pairs(source.train, source, TextModality(), None, Audit())
    assert len(found) == 2 * 1379
    assert np.isclose(scores_of(found)[0], 2.5)
