"""Predictions are refused where there are none, and written as they are."""

from __future__ import annotations

import csv
import json
import tracemalloc

import pyarrow.parquet as pq
import pytest

import headstart
from headstart.config import FinetuneConfig, PretrainConfig
from headstart.downstream import predict as predicting
from headstart.downstream import predictions
from headstart.downstream.classification import Classification
from headstart.downstream.image.segmentation import Segmentation
from headstart.downstream.predict import Predictor, predict
from headstart.downstream.predictions import StoredRows, write_predictions
from headstart.errors import HeadstartError
from headstart.run import RunFolder

ROWS = [
    {"id": "a", "label": "yes", "score": 0.75, "scores": {"no": 0.25, "yes": 0.75}},
    {"id": "b,\n中", "label": "no", "score": 1.0, "scores": {"no": 1.0, "yes": 0.0}},
]


def test_a_pretraining_run_is_told_to_fine_tune_first(tmp_path, records):
    options = PretrainConfig(sources=["x"], out=str(tmp_path / "run"))
    run = RunFolder.create(tmp_path / "run", "pretrain", options)
    with pytest.raises(HeadstartError, match=r"knows no labels; fine-tune first: `headstart fine"):
        predict(run, records({"fruit": 1}))


def test_an_unfinished_run_is_told_to_go_on(tmp_path, records):
    options = FinetuneConfig(run="x", train="y", out=str(tmp_path / "run"))
    run = RunFolder.create(tmp_path / "run", "finetune", options)
    with pytest.raises(HeadstartError, match=r"has not finished; go on with .*--resume"):
        predict(run, records({"fruit": 1}))


def test_rows_are_written_as_jsonl(tmp_path):
    write_predictions(ROWS, tmp_path / "rows.jsonl")
    lines = (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == ROWS


def test_rows_are_written_as_a_table_with_a_column_a_label(tmp_path):
    flat = [
        {"id": "a", "label": "yes", "score": 0.75, "score:no": 0.25, "score:yes": 0.75},
        {"id": "b,\n中", "label": "no", "score": 1.0, "score:no": 1.0, "score:yes": 0.0},
    ]
    write_predictions(ROWS, tmp_path / "rows.parquet")
    assert pq.read_table(tmp_path / "rows.parquet").to_pylist() == flat
    write_predictions(ROWS, tmp_path / "rows.csv")
    with open(tmp_path / "rows.csv", encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert found == [{name: str(value) for name, value in row.items()} for row in flat]
    assert {path.name for path in tmp_path.iterdir()} == {"rows.parquet", "rows.csv"}


def test_the_columns_of_the_input_stand_beside_the_result(tmp_path):
    rows = [
        {"id": "a", "label": "x", "scores": {"x": 1.0}, "record": {"nr": 1, "label": "old"}},
        {"id": "b", "label": None, "scores": None, "reason": "it is blank", "record": {}},
    ]
    write_predictions(rows, tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text().splitlines() == [
        "id,label,reason,score:x,nr,input:label",
        "a,x,,1.0,1,old",
        "b,,it is blank,,,",
    ]


def test_whole_numbers_stay_whole_where_one_is_missing_and_nothing_is_printed(tmp_path, capfd):
    rows = [{"id": "a", "start": 15, "tags": ["O"]}, {"id": "b", "start": None, "tags": []}]
    write_predictions(rows, tmp_path / "rows.csv")
    write_predictions(rows, tmp_path / "rows.parquet")
    assert (tmp_path / "rows.csv").read_text() == 'id,start,tags\na,15,"[""O""]"\nb,,[]\n'
    assert pq.read_table(tmp_path / "rows.parquet").to_pylist() == rows
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_what_no_table_can_hold_as_it_is_loses_no_row(tmp_path, ending):
    record = {"note": "half \ud800", "k\rey": "a\rb", "number": 2**70, "list": ["\udce9"]}
    rows = [{"id": "a", "label": "x\ry", "record": record}, {"id": "b", "label": "y"}]
    write_predictions(rows, out := tmp_path / f"rows.{ending}")
    if ending == "csv":
        with open(out, encoding="utf-8", newline="") as file:
            first, second = csv.DictReader(file)
    elif ending == "jsonl":
        first, second = map(json.loads, out.read_text(encoding="utf-8").splitlines())
        assert first == rows[0]
    else:
        first, second = pq.read_table(out).to_pylist()
    assert (first["label"], second["id"], second["label"]) == ("x\ry", "b", "y")
    if ending != "jsonl":
        assert (first["note"], first["k\rey"]) == (r"half \ud800", "a\rb")
        assert first["number"] == "1180591620717411303424"


def test_another_ending_is_refused_before_anything_is_predicted(tmp_path):
    with pytest.raises(HeadstartError, match=r"not to 'rows\.txt'"):
        write_predictions(ROWS, tmp_path / "rows.txt")
    with pytest.raises(HeadstartError, match=r"not to 'rows\.txt'"):
        headstart.predict("no-run", "no-file", out=str(tmp_path / "rows.txt"))


def test_a_folder_is_for_masks_alone(tmp_path, monkeypatch):
    for task in (Segmentation, Classification):
        monkeypatch.setattr(predicting, "open_head", lambda run, task=task: task)
        if task is Segmentation:
            predicting.check_out(RunFolder("run"), tmp_path / "masks")
            continue
        with pytest.raises(HeadstartError, match=r"not to 'masks'"):
            predicting.check_out(RunFolder("run"), tmp_path / "masks")


def test_stored_rows_are_a_sequence_of_what_they_were_made_of():
    rows = StoredRows(iter(ROWS))
    assert list(rows) == ROWS
    assert (len(rows), rows[-1], rows[:1]) == (2, ROWS[1], ROWS[:1])
    with pytest.raises(IndexError):
        rows[2]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet"])
def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch, name):
    monkeypatch.setattr(predictions, "CHUNK", 100)
    write_predictions(ROWS, tmp_path / name)  # what is imported for it counts for nothing
    tracemalloc.start()
    rows = StoredRows({"id": str(n), "record": {"text": f"{n}" * 400}} for n in range(10_000))
    write_predictions(rows, tmp_path / name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / name).stat().st_size > 4e5
    assert peak < 2e6 < sum(len(row["record"]["text"]) for row in rows)


def test_a_parquet_column_has_one_type_whatever_its_chunks_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "CHUNK", 1)
    values = [None, 1, 2.5, None]
    rows = [{"id": str(n), "number": value, "tags": []} for n, value in enumerate(values)]
    rows[1]["tags"] = [{"word": "fox"}]
    write_predictions(rows, tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == rows
    mixed = [{"id": "a", "record": {"x": 1}}, {"id": "b", "record": {"x": "one"}}]
    write_predictions(mixed, tmp_path / "b.parquet")
    assert pq.read_table(tmp_path / "b.parquet")["x"].to_pylist() == ["1", "one"]


@pytest.mark.parametrize("is_simple", [True, False])
def test_rows_stand_in_the_order_of_the_records_whatever_their_sizes(processor, is_simple):
    from datasets import Dataset

    class Lengths:
        """Predicts how many tokens a record has."""

        def collate(self, processor, records, length):
            return processor.collate(records, length)

        def features(self, encoder, batch):
            assert "labels" not in batch
            return batch["mask"].sum(1)

        def predictions(self, features, batch):
            return features.tolist()

        def describe(self, row, record):
            return {"tokens": row}

    predictor = Predictor.__new__(Predictor)
    predictor.head, predictor.encoder, predictor.processor = Lengths(), None, processor
    predictor.length, predictor._batch_size, predictor._is_simple = 32, 2, is_simple
    texts = ["apple", "apple pear plum cherry", "pear plum", "plum pear apple", "pear"]
    found = predictor.rows(Dataset.from_dict({"id": list("abcde"), "text": texts}))
    assert [row["tokens"] for row in found] == [3, 6, 4, 5, 3]
