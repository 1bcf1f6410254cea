"""The verbs together: from texts to a run, and what a refusal leaves behind."""

from __future__ import annotations

import csv
import json

import pyarrow.parquet as pq
import pytest
import yaml

import headstart as hs
from headstart.config import EvaluateConfig, load
from headstart.errors import HeadstartError

TEXTS = [
    f"the {a} {b} {c} over the lazy dog"
    for a in ("quick", "brown", "red", "sly")
    for b in ("fox", "hare", "wolf")
    for c in ("jumps", "leaps", "runs", "flies")
]
SMALL = {
    "encoder": "modernbert",
    "encoder_options": {"layers": 1, "width": 16, "heads": 2},
    "length": 16,
    "modality_options": {"text": {"tokenizer": {"vocab_size": 300}}},
    "tracker": "none",
    "budget": "4steps",
}


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(TEXTS))
    return str(file)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "mlm", "settings": ["mlm.mask_rate=0.3"]}, "did you mean 'mask_ratio'"),
        ({"objective": "mlm", "encoder": "gpt", "encoder_options": {}}, "needs bidirectional"),
        ({"objective": "mlm", "settings": ["optimiser.name=muon"]}, "did you mean 'optimizer'"),
    ],
)
def test_a_refused_run_leaves_no_folder_behind(options, message, source, tmp_path):
    with pytest.raises(HeadstartError, match=message):
        hs.pretrain(source, out=str(tmp_path / "run"), **{**SMALL, **options})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "contrast", "settings": ["contrast.views=halfs"]}, "did you mean 'halves'"),
        ({"objective": "auto", "settings": ["simclr.views=swop:0.2"]}, "texts have no views 'swop"),
        ({"objective": "mlm:1,byol:1", "settings": ["byol.views=swap:2"]}, "between 0 and 1"),
        ({"encoder": "auto", "settings": ["encoder.widht=8"]}, "no option 'widht'; did you mean"),
        ({"settings": ["encoder.widht=8"]}, "'modernbert' has no option 'widht'; did you mean"),
        ({"encoder": "light", "embeddings": "./nowhere"}, "there is no such folder"),
        ({"probe": "nowhere.csv"}, "nowhere.csv"),
        ({"remove_overlap": "nowhere.csv"}, "nowhere.csv"),
    ],
)
def test_names_inside_options_are_checked_before_anything_is_read(
    options, message, source, tmp_path, monkeypatch
):
    def never(*arguments, **options):
        raise AssertionError("the sources were read")

    monkeypatch.setattr("headstart.data.sources.read", never)
    small = {name: value for name, value in SMALL.items() if name != "encoder_options"}
    with pytest.raises(HeadstartError, match=message):
        hs.pretrain(source, out=str(tmp_path / "run"), **{**small, **options})
    assert not (tmp_path / "run").exists()


def test_a_run_is_resumed_with_its_own_options_only(source, tmp_path):
    out = str(tmp_path / "run")
    run = hs.pretrain(source, out=out, objective="mlm", **SMALL)
    assert run.finished
    assert hs.pretrain(out=out, resume=True).finished
    content = run.config()
    run.write_config({**content, "options": {**content["options"], "tokenizer": {"kind": "bpe"}}})
    with pytest.raises(HeadstartError, match=r"another version .* 'tokenizer'.* start again"):
        hs.pretrain(out=out, resume=True)
    run.write_config(content)
    with pytest.raises(HeadstartError, match="cannot change on resume=True"):
        hs.pretrain(out=out, resume=True, seed=7)
    with pytest.raises(HeadstartError, match="resume it with that verb"):
        hs.finetune("x", train="y", out=out, resume=True)
    with pytest.raises(HeadstartError, match="holds a run already"):
        hs.pretrain(source, out=out, objective="mlm", **SMALL)


def test_a_mixture_trains_and_keeps_its_word_on_what_it_wrote(source, tmp_path):
    run = hs.pretrain(source, out=str(tmp_path / "run"), objective="mlm:1,simcse:0.1", **SMALL)
    row = next(row for row in run.metrics() if "loss" in row)
    assert row["loss"] == pytest.approx(row["mlm/loss"] + 0.1 * row["simcse/loss"], rel=1e-4)
    assert run.resolved["plan"]["encoder_options"]["dropout"] == 0.1
    assert json.loads((run.encoder / "config.json").read_text())["model_type"] == "modernbert"
    assert not run.prepared.exists()


def test_a_new_encoder_starts_from_the_vectors_of_the_light_one(source, tmp_path):
    from headstart.encoders.opening import open_encoder

    light = hs.pretrain(
        source,
        out=str(tmp_path / "light"),
        budget="4steps",
        tracker="none",
        encoder_options={"width": 16},
    )
    options = {**SMALL, "budget": "1steps", "optimizer": {"learning_rate": 1e-9}}
    grown = hs.pretrain(
        source,
        out=str(tmp_path / "grown"),
        objective="mlm",
        embeddings=str(light.folder),
        **options,
    )
    before = open_encoder(light.encoder).token_embedding.weight
    after = open_encoder(grown.encoder).token_embedding.weight[: len(before)]
    ratio = (after / before)[10:40]
    assert ratio.std() < 1e-3 * ratio.mean()


def test_embedding_and_fine_tuning_and_predicting_go_through(source, tmp_path, capsys):
    run = hs.pretrain(source, out=str(tmp_path / "run"), objective="mlm", **SMALL)
    labeled = tmp_path / "labeled.jsonl"
    rows = [{"text": t, "label": "fox" if "fox" in t else "other"} for t in TEXTS]
    labeled.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run.embed(source, out=str(tmp_path / "v.npy")).exists()
    tuned = run.finetune(str(labeled), out=str(tmp_path / "tuned"), budget="5steps", tracker="none")
    for made in (run, tuned):
        made.evaluate(str(labeled), labels="all")
        made.search(source, query="fox")
        assert made.foreign() == []
    predicted = tuned.predict(source)
    assert len(predicted) == len(TEXTS)
    assert {row["label"] for row in predicted} <= {"fox", "other"}
    assert predicted[0]["record"] == {"text": TEXTS[0]}

    (typed,) = tuned.predict("the quick fox jumps")
    assert (typed["id"], typed["label"] in {"fox", "other"}) == ("the quick fox jumps", True)

    one = tmp_path / "one.csv"
    one.write_text("text\nthe quick fox\n\nthe red hare\n")
    assert [row.get("reason") for row in tuned.predict(str(one))] == [None, "it is blank", None]

    gaps = tmp_path / "gaps.csv"
    gaps.write_text("nr,text,label\n1,the quick fox,7\n2, ,8\n3,the red hare,\n4\n")
    for name in ("p.csv", "p.jsonl", "p.parquet"):
        rows = tuned.predict(str(gaps), out=str(tmp_path / name))
    assert "2 of 4 rows have no prediction (1: it is blank; 1:" in capsys.readouterr().err
    assert [row["id"] for row in rows] == [f"gaps.csv:{line}" for line in (2, 3, 4, 5)]
    assert [row["label"] is None for row in rows] == [False, True, False, True]
    assert [row.get("reason", "").partition(" ")[0] for row in rows] == ["", "it", "", "it"]
    assert [row["record"].get("nr") for row in rows] == ["1", "2", "3", None]
    assert all(row.keys() >= predicted[0].keys() for row in rows)
    with open(tmp_path / "p.csv", encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["input:label"] for row in written] == ["7", "8", "", ""]
    assert [row["nr"] for row in written] == ["1", "2", "3", ""]
    assert written[1]["reason"] == "it is blank"
    assert pq.read_table(tmp_path / "p.parquet")["nr"].to_pylist() == ["1", "2", "3", None]
    kept = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert kept == list(rows)


def test_a_run_says_where_it_lies_wherever_it_is_opened_from(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = hs.pretrain(source, out="run", objective="mlm", **SMALL)
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert written["options"]["out"] == str(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    assert hs.pretrain(out="moved", resume=True).finished
    assert run.out.name == "run"


def test_columns_of_which_nothing_is_read_are_refused_before_anything_is_read(source, tmp_path):
    run = hs.pretrain(source, out=str(tmp_path / "run"), objective="mlm", **SMALL)
    labeled = tmp_path / "labeled.csv"
    labeled.write_text("body,stars\n" + "".join(f"{text},{len(text) % 2}\n" for text in TEXTS))
    given = {"train": str(labeled), "out": str(tmp_path / "out"), "budget": "1steps"}
    with pytest.raises(HeadstartError, match="'titel' is nothing that is read here"):
        hs.pretrain(source, out=str(tmp_path / "new"), columns={"titel": "x"}, **SMALL)
    with pytest.raises(HeadstartError, match="choose one of: label, text"):
        hs.finetune(str(run.folder), columns={"question": "body"}, **given)
    with pytest.raises(HeadstartError, match="choose one of: answer, question, text"):
        hs.finetune(str(run.folder), columns={"label": "stars"}, task="questions", **given)
    for task in ("auto", "classification"):
        with pytest.raises(HeadstartError, match="choose one of: label, pair, text"):
            hs.evaluate(str(run.folder), train=str(labeled), task=task, columns={"x": "body"})
    with pytest.raises(HeadstartError, match="no column 'star'; did you mean 'stars'"):
        hs.evaluate(str(run.folder), train=str(labeled), label_column="star")
    with pytest.raises(HeadstartError, match="'pair' is nothing that is read here"):
        hs.embed(str(run.folder), str(labeled), out=str(tmp_path / "v.npy"), columns={"pair": "x"})
    tuned = hs.finetune(str(run.folder), columns={"text": "body"}, label_column="stars", **given)
    assert tuned.config()["options"]["columns"] == {"text": "body", "label": "stars"}
    again = hs.finetune(str(run.folder), out=given["out"], resume=True, label_column="stars")
    assert again.finished


def test_a_run_of_before_says_its_columns_the_new_way(source, tmp_path):
    run = hs.pretrain(source, out=str(tmp_path / "run"), objective="mlm", **SMALL)
    content = run.config()
    assert content["options"].pop("columns") == {}
    former = {"image": None, "text": "body", "label": "stars"}
    content["options"].update({f"{name}_column": column for name, column in former.items()})
    run.write_config(content)
    assert hs.Run(run.folder).config()["options"]["columns"] == {"text": "body", "label": "stars"}
    assert hs.pretrain(out=str(run.folder), resume=True).finished


def test_a_quick_look_takes_less_of_all_that_was_not_given() -> None:
    plan = load(EvaluateConfig, run="run", train="train.csv", quick=True, seeds=3)
    assert (plan.labels[-1], plan.seeds, plan.from_scratch) == ("1000", 3, "off")
    assert (plan.published, plan.alternatives_budget) == (["off"], "30s")
    usual = load(EvaluateConfig, run="run", train="train.csv")
    assert (usual.labels[-1], usual.seeds, usual.from_scratch) == ("all", 5, "auto")


def test_numbers_may_stand_where_the_shell_has_texts() -> None:
    plan = load(EvaluateConfig, run="run", train="train.csv", labels=[10, "all"])
    assert plan.labels == ["10", "all"]
