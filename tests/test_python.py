"""The verbs in Python: runs, paths and records in memory stand wherever a path may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import headstart as hs
from headstart.config import EvaluateConfig, PretrainConfig, load
from headstart.errors import HeadstartError
from headstart.verbs import reading
from headstart.verbs.learning import repeated

TEXTS = [f"the {a} {b} sleeps" for a in ("red", "sly", "old") for b in ("fox", "hare", "owl")]
LABELS = ["fox" if "fox" in text else "other" for text in TEXTS]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hs.Run:
    """A tiny encoder that was pre-trained on a list of texts."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    options = {"width": 8}
    return hs.pretrain(TEXTS * 4, out=out, budget="2steps", encoder_options=options, tracker="none")


def test_texts_in_memory_are_kept_beside_the_run(run: hs.Run) -> None:
    (source,) = run.config()["options"]["sources"]
    assert Path(source).is_relative_to(f"{run.folder}.data")
    assert run.resolved["records"] == 4 * len(TEXTS)


def test_encode_gives_a_vector_for_each_record_in_order(run: hs.Run) -> None:
    vectors = run.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 8)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors[3], run.encode(TEXTS[3])[0], atol=0.02)
    assert np.array_equal(vectors, run.embed(TEXTS))
    assert run.encode(["gone.csv", "x.txt"]).shape == (2, 8)
    with pytest.raises(HeadstartError, match="1 of 2 records have no vector"):
        run.encode(["a", " "])


def test_embed_writes_a_file_or_returns_the_vectors(run: hs.Run, tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(TEXTS))
    written = run.embed(file, out=tmp_path / "v.npy")
    assert isinstance(written, Path)
    assert np.allclose(np.load(written), run.embed(file), atol=0.02)
    with pytest.raises(HeadstartError, match=r"\.npy or \.parquet, not to 'v.csv'"):
        hs.embed("no such run", file, out="v.csv")


def test_a_frame_a_run_and_a_path_go_through_every_step(run: hs.Run, tmp_path: Path) -> None:
    frame = pd.DataFrame({"body": TEXTS, "kind": LABELS})
    options = {"columns": {"text": "body", "label": "kind"}, "budget": "2steps", "tracker": "none"}
    tuned = hs.finetune(run, train=frame, out=tmp_path / "tuned", **options)
    assert Path(tuned.config()["options"]["train"]).is_relative_to(tmp_path / "tuned.data")
    again = hs.finetune(run, train=frame, out=tmp_path / "tuned", resume=True)
    assert again.finished
    with pytest.raises(HeadstartError, match="--pretraining-seeds repeats a pre-training"):
        repeated(str(tuned.folder), 2)
    assert len(tuned.predict(frame, columns={"text": "body"})) == len(frame)
    assert hs.audit(frame, columns={"text": "body"}).to_dict()["kept"] == len(frame)


def test_runs_of_a_folder_are_listed_with_their_facts(run: hs.Run, tmp_path: Path) -> None:
    (found,) = hs.runs(run.folder.parent)
    assert isinstance(found, hs.Run)
    facts = found.facts()
    assert facts["state"] == "finished after 2 steps"
    assert facts["options"] == "tracker=none, encoder_options.width=8"
    assert "<table>" in found._repr_html_()
    assert hs.runs(tmp_path) == []
    with pytest.raises(HeadstartError, match="there is no folder"):
        hs.runs(tmp_path / "none")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("plan", value) for value in ("x", {"objectives": 3})],
        *[("records", "many"), ("steps", "a"), ("head", "lin"), ("labels", 3), ("scores", [1])],
        *[("modality", ["text"]), ("task", {}), ("preparation_seconds", "long")],
    ],
)
def test_facts_of_a_damaged_config_are_one_sentence(key: str, value: Any, tmp_path: Path) -> None:
    run = hs.Run.create(tmp_path / "run", "pretrain", PretrainConfig(sources=["a"], out="run"))
    content = run.config()
    content["resolved"] = {"plan": {"encoder": "light"}, key: value}
    run.write_config(content)
    with pytest.raises(HeadstartError, match=r"config\.yaml.* restore it from a copy") as found:
        run._repr_html_()
    assert len(str(found.value)) <= 300


def test_the_command_to_go_on_with_is_quoted_in_the_facts(tmp_path: Path) -> None:
    config = PretrainConfig(sources=["a"], out="my run")
    run = hs.Run.create(tmp_path / "my run", "pretrain", config)
    assert run.command() in run.facts()["state"]
    assert f"'{run.folder}'" in run.facts()["state"]


def test_a_result_is_plain_values_and_has_a_view_for_notebooks() -> None:
    page = hs.audit(TEXTS)
    assert json.dumps(page.to_dict())
    assert page._repr_html_().startswith("<div><p><strong>None of 9 texts")
    assert hs.doctor()["cores"] >= 1


def test_one_value_stands_for_a_list_and_a_number_for_its_text() -> None:
    plan = load(EvaluateConfig, run=Path("run"), train="a.csv", labels=np.int64(10), against="x")
    assert (plan.run, plan.labels, plan.against) == ("run", ["10"], ["x"])
    with pytest.raises(HeadstartError, match="'5' is no budget"):
        load(PretrainConfig, sources="a", out="b", budget=5)


def test_a_run_named_with_a_slash_has_its_records_beside_it(tmp_path: Path) -> None:
    options = {"budget": "2steps", "tracker": "none", "encoder_options": {"width": 8}}
    made = hs.pretrain(TEXTS, out=f"{tmp_path}/run/", **options)
    (kept,) = (tmp_path / "run.data").glob("*/sources.parquet")
    assert made.config()["options"]["sources"] == [str(kept)]


@pytest.mark.parametrize("wrong", [{"budget": "never"}, {"encoder": "lihgt"}, {"length": 3.5}])
def test_a_refused_command_leaves_no_records_behind(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(HeadstartError):
        hs.pretrain(TEXTS, out=tmp_path / "runs" / "run", **wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_command_keeps_the_records_of_the_run_that_is_there(
    run: hs.Run, tmp_path: Path
) -> None:
    folder = Path(f"{run.folder}.data")
    before = sorted(folder.iterdir())
    with pytest.raises(HeadstartError):
        hs.pretrain(["other", "texts", "here"], out=run.folder)
    assert sorted(folder.iterdir()) == before != []


def test_a_quiet_verb_is_quiet_to_its_end_and_no_longer(
    run: hs.Run, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[bool] = []

    @reading.speaking()
    def inner(**options: Any) -> None:
        reading.hush(options)
        seen.append(reading.console() is None)

    @reading.speaking()
    def outer(**options: Any) -> None:
        reading.hush(options)
        inner()
        inner(quiet=False)
        seen.append(reading.console() is None)

    outer(quiet=True)
    outer()
    hs.embed(run, TEXTS, quiet=True)
    reading.say("heard")
    assert seen == [True] * 3 + [False] * 3
    assert capfd.readouterr().err == "heard\n"


def test_texts_without_labels_are_refused_where_labels_are_needed(run: hs.Run) -> None:
    with pytest.raises(HeadstartError, match="option 'train' takes one file"):
        run.evaluate(train=TEXTS)
    with pytest.raises(HeadstartError, match="option 'train' takes one file"):
        run.evaluate(train=[])
