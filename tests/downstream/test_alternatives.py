"""Simple models beside a fine-tuned run: measured on the same records, and never in its way."""

from __future__ import annotations

import time

import numpy as np
import pytest
from datasets import Dataset
from typer.testing import CliRunner

from headstart.cli import app
from headstart.config import FinetuneConfig
from headstart.downstream import alternatives
from headstart.downstream.alternatives import compare_with_alternatives, described
from headstart.downstream.classification import Classification
from headstart.downstream.finetune import finetune
from headstart.downstream.multilabel import MultiLabel
from headstart.downstream.predict import predict
from headstart.downstream.regression import Regression
from headstart.errors import HeadstartError
from headstart.evaluation.heads.foreseen import Foreseen
from headstart.modalities import Baseline
from headstart.modalities.opening import open_modality
from headstart.modalities.text.modality import TextModality
from headstart.run import RunFolder

NOTE = {"modality": "text", "length": 16, "encoder": "tiny"}


def tune(encoder, processor, records, out, **options) -> RunFolder:
    options = {"tracker": "none", "precision": "fp32", "budget": "3steps", **options}
    config = FinetuneConfig(run="run", train="train", out=str(out), **options)
    run = RunFolder.create(out, "finetune", config)
    return finetune(encoder, processor, records, None, config, run, note=NOTE)


def test_a_run_is_compared_with_the_strongest_on_the_same_held_out_records(
    light, processor, records, tmp_path
) -> None:
    some = records({"fruit": 40, "tool": 40})
    run = tune(light, processor, some, tmp_path / "run")
    found = run.resolved["alternatives"]
    assert {"TF-IDF, linear SVM", "LSA, logistic regression"} <= found.keys()
    scores = {name: each["accuracy"] for name, each in found.items()}
    assert all(16 * score == round(16 * score) for score in scores.values())  # a fifth of eighty
    best = max(scores, key=lambda name: scores[name])
    assert scores[best] > 0.8
    ours = run.resolved["scores"]["accuracy"]
    said = run.log_file.read_text("utf-8")
    assert f"same held-out records: accuracy {best} {scores[best]:.3f}; " in said
    assert f"{len(scores) - 3} more are lower (this run {ours:.3f})." in said


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(ValueError("no way"), "ValueError: no way"), (HeadstartError("install it."), "install it.")],
)
def test_an_alternative_that_fails_leaves_the_run_as_it_is(
    error, sentence, light, processor, records, tmp_path, monkeypatch
) -> None:
    def fail(*arguments):
        raise error

    monkeypatch.setattr(Classification, "alternatives", fail)
    some = records({"fruit": 10, "tool": 10})
    run = tune(light, processor, some, tmp_path / "run")
    assert run.finished
    assert "alternatives" not in run.resolved
    assert f"could not be measured ({sentence})" in run.log_file.read_text("utf-8")
    assert len(list(predict(run, some))) == 20


def test_an_alternative_that_takes_too_long_is_not_waited_for(tmp_path, monkeypatch) -> None:
    class Slow(Classification):
        def alternatives(self, train, val):
            time.sleep(5)
            return [("slow", {"accuracy": 1.0})]

    monkeypatch.setattr(alternatives, "SECONDS", 0.05)
    config = FinetuneConfig(run="r", train="t", out="o")
    run = RunFolder.create(tmp_path / "run", "finetune", config)
    some, said = Dataset.from_dict({"id": ["a"]}), []
    compare_with_alternatives(Slow(2, ["a", "b"]), TextModality(), some, some, run, said.append)
    assert "took longer" in said[0]
    assert "alternatives" not in run.resolved


class _Kind:
    """A kind of data whose second baseline must not be computed."""

    def baselines(self, background, train, held, *, protocol, seed, progress):
        progress(1, 2)
        bits = [np.eye(2, dtype=np.float32)[np.arange(len(part)) % 2] for part in (train, held)]
        yield Baseline("bits", *bits)
        raise AssertionError("a second baseline")


def _half_and_half() -> tuple[Classification, Dataset]:
    head = Classification(2, ["a", "b"])
    head.modality = _Kind()
    return head, Dataset.from_dict({"id": list(map(str, range(20))), "label": ["a", "b"] * 10})


def test_no_further_one_is_begun_when_the_time_is_spent(monkeypatch) -> None:
    monkeypatch.setattr(alternatives, "ENOUGH", -1.0)
    head, some = _half_and_half()
    found = head.alternatives(some, some)
    assert found == [("bits, logistic regression", {"accuracy": 1.0})]


@pytest.mark.parametrize(
    ("seconds", "needed", "message"), [(-1.0, 0.0, "features take longer"), (9.0, 60.0, "60 s")]
)
def test_nothing_is_begun_that_nobody_would_wait_for(seconds, needed, message, monkeypatch) -> None:
    head, some = _half_and_half()
    monkeypatch.setattr(alternatives, "SECONDS", seconds)
    monkeypatch.setattr(
        "headstart.evaluation.heads.foreseen.foreseen", lambda *_, **__: Foreseen(needed, 0)
    )
    with pytest.raises(HeadstartError, match=message):
        head.alternatives(some, some)


def test_they_can_be_switched_off(light, processor, records, tmp_path) -> None:
    some = records({"fruit": 10, "tool": 10})
    run = tune(light, processor, some, tmp_path / "run", alternatives=False)
    assert "alternatives" not in run.resolved
    assert "--no-alternatives" in CliRunner().invoke(
        app, ["finetune", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}
    ).output.replace("\n", "")


def test_several_labels_and_numbers_have_alternatives_with_the_scores_of_the_task(records) -> None:
    some = records({"fruit": 40, "tool": 40})
    parts = some.select(range(60)), some.select(range(60, 80))

    def relabeled(change):
        texts = [part.remove_columns("label") for part in parts]
        return [
            text.add_column("label", [change(label) for label in part["label"]])
            for text, part in zip(texts, parts, strict=True)
        ]

    several = MultiLabel(4, ["tool", "thing"], [0.5, 0.5])
    several.modality = open_modality("text")
    (_, scores), *_ = several.alternatives(
        *relabeled(lambda label: ["thing", "tool"] if label == "tool" else ["thing"])
    )
    assert set(scores) == {"micro_f1", "macro_f1", "exact"}
    assert scores["exact"] > 0.7

    number = Regression(4, 15.0, 5.0)
    number.modality = open_modality("text")
    (name, scores), *_ = number.alternatives(
        *relabeled(lambda label: 20.0 if label == "tool" else 10.0)
    )
    assert name.endswith("ridge regression")
    assert scores["pearson"] > 0.8
    assert scores["mae"] < 2.5  # in the unit of the labels, which lie five from their mean
    assert np.isfinite(list(scores.values())).all()


def test_an_alternative_is_advised_only_where_the_held_out_records_can_tell() -> None:
    found = [("TF-IDF", {"accuracy": 0.992})]
    close = described({"accuracy": 0.976}, found, 127)
    assert close.endswith("TF-IDF is ahead, by less than 127 records can tell.")
    assert described({"accuracy": 0.976}, found, 5000).endswith("consider it instead.")
    assert described({"accuracy": 0.995}, found, 127).endswith("(this run 0.995).")
