"""Logistic regression on frozen features is taken unless the fine-tuned network is better."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from headstart.config import FinetuneConfig, OptimizerOptions
from headstart.downstream import frozen
from headstart.downstream.classification import Classification
from headstart.downstream.finetune import finetune
from headstart.downstream.fitting import set_head
from headstart.downstream.frozen_head import Choice, FrozenHead
from headstart.downstream.predict import open_head, predict
from headstart.downstream.rows import LabeledRows
from headstart.encoders.opening import open_encoder
from headstart.evaluation.heads.calibration import Calibration
from headstart.evaluation.heads.chosen import Chosen, Selection
from headstart.evaluation.heads.logistic import LogisticRegression
from headstart.evaluation.heads.sides import LinearSide, View
from headstart.run import RunFolder

NOTE = {"modality": "text", "length": 16, "encoder": "tiny"}


def tune(encoder, processor, records, out, validation=None, **options) -> RunFolder:
    options = {"tracker": "none", "precision": "fp32", **options}
    config = FinetuneConfig(run="run", train="train", out=str(out), **options)
    run = RunFolder.create(out, "finetune", config)
    return finetune(encoder, processor, records, validation, config, run, note=NOTE)


def answers(right: int, of: int) -> np.ndarray:
    return np.arange(of) < right


@pytest.mark.parametrize(
    ("network", "labels", "frozen"),
    [
        (10, 5, True),  # as good: the simpler one
        (14, 5, True),  # four more of four that differ are two standard errors, and no more
        (15, 5, False),
        (11, 10, True),
        (11, 1000, False),  # with many labels any difference decides
        (9, 1000, True),
    ],
)
def test_the_network_must_be_clearly_better_where_labels_are_few(network, labels, frozen) -> None:
    choice = Choice.between(answers(network, 20), answers(10, 20), labels)
    assert choice.frozen is frozen
    taken = "logistic regression" if frozen else "fine-tuned network"
    assert choice.summary() == {
        "taken": taken,
        "held_out": 20,
        "fine_tuned": network / 20,
        "frozen": 0.5,
    }
    doubtful = frozen and network > 10
    assert ("too small to rely on" in str(choice)) is doubtful


def test_a_regression_on_a_sample_says_so_and_all_labels_count(
    light, processor, records, monkeypatch
) -> None:
    monkeypatch.setattr(frozen, "_MOST", 6)
    parts = [records({"fruit": count, "tool": count}, seed=count) for count in (12, 3)]
    config = FinetuneConfig(run="r", train="t", out="o")
    head = Classification.from_records(16, parts[0], config).eval()
    rows = [LabeledRows(processor, part, head.targets(part), 16) for part in parts]
    choice = FrozenHead(light, head, *rows, seed=0).compare(light, rows[1])
    assert choice.labels == 12
    assert choice.sample is not None
    fitted, of = choice.sample
    assert 6 <= fitted <= 8
    assert of == 24
    assert f"(fitted to {fitted} of the 24 training records)" in str(choice)
    assert choice.summary()["fitted_to"] == fitted


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("unit", [False, True])
def test_a_head_that_is_set_scores_as_the_regression(classes, unit, light) -> None:
    features = np.random.default_rng(0).normal(size=(30, 16)).astype(np.float32)
    targets = np.arange(30) % classes
    regression = LogisticRegression(features)
    regression._scalings = [scaling for scaling in regression._scalings if scaling.unit is unit]
    fitted = regression.fit(features, targets, np.random.default_rng(0))
    selection = Selection("logistic regression", "")
    chosen = Chosen(np.arange(classes), (LinearSide(View(), fitted),), selection)
    cooled = replace(chosen, calibration=Calibration(2.0, 0.2, 0.1))
    head = Classification(16, [str(each) for each in range(classes)]).eval()
    for each in (chosen, cooled):
        set_head(head, each)
        assert head.unit is unit
        assert head.fused is None
        with torch.no_grad():
            found = head.logits(torch.from_numpy(features), {}).log_softmax(1).numpy()
        assert found == pytest.approx(each.log_probabilities(features), abs=1e-4)


def test_where_training_does_no_good_the_regression_is_taken_and_saved(
    light, processor, records, tmp_path
) -> None:
    before = light.embedding.weight.clone()
    some, others = records({"fruit": 8, "tool": 8}), records({"fruit": 30, "tool": 30}, seed=1)
    # Far too high a rate: the network that was trained is no better than its start.
    options = {"budget": "12steps", "optimizer": OptimizerOptions(learning_rate=1000.0)}
    run = tune(light, processor, some, tmp_path / "run", **options)
    found = run.resolved["head"]
    assert found["taken"] == "logistic regression"
    assert found["frozen"] == run.resolved["scores"]["accuracy"]
    assert "Logistic regression is taken" in run.log_file.read_text("utf-8")
    assert torch.equal(open_encoder(run.encoder).embedding.weight, before)
    head = open_head(run)
    rows = LabeledRows(processor, others, head.targets(others), 16)
    config = FinetuneConfig(run="r", train="t", out="o")
    kept, held = head.hold_out(some, 0.2, 0)
    again = Classification.from_records(16, some, config).eval()
    parts = [LabeledRows(processor, part, again.targets(part), 16) for part in (kept, held)]
    regression = FrozenHead(light, again, *parts, seed=0)
    regression.set_all()  # on all labels, the held-out ones among them
    assert torch.equal(head.linear.weight, again.linear.weight)
    with torch.no_grad():
        batch = rows.batch(np.arange(60), 0)
        wanted = again.predictions(light.eval().pool(batch), batch)
    found_rows = list(predict(run, others))
    assert [row["label"] for row in found_rows] == [row["label"] for row in wanted]


def test_where_training_is_needed_the_network_is_taken(light, processor, records, tmp_path) -> None:
    with torch.no_grad():
        odd = torch.arange(len(light.embedding.weight)) % 2  # features that cannot tell words
        light.embedding.weight.copy_(light.embedding.weight[odd])
    some = records({"fruit": 150, "tool": 150})
    options = {"budget": "200steps", "optimizer": OptimizerOptions(learning_rate=0.03)}
    run = tune(light, processor, some, tmp_path / "run", **options)
    assert run.resolved["head"]["taken"] == "fine-tuned network"
    assert run.resolved["head"]["fine_tuned"] > 0.9 > run.resolved["head"]["frozen"]
    assert "The fine-tuned network is taken" in run.log_file.read_text("utf-8")
    assert not open_head(run).unit


def test_validation_records_of_the_users_own_are_never_learned_from(
    light, processor, records, tmp_path
) -> None:
    some, own = records({"fruit": 6, "tool": 6}), records({"fruit": 6, "tool": 6}, seed=2)
    wrong = own.map(lambda row: {"label": {"fruit": "tool", "tool": "fruit"}[row["label"]]})
    runs = [
        tune(deepcopy(light), processor, some, tmp_path / name, held, budget="1steps")
        for name, held in (("right", own), ("wrong", wrong))
    ]
    assert [run.resolved["head"]["taken"] for run in runs] == ["logistic regression"] * 2
    weights = [open_head(run).linear.weight for run in runs]
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    "options", [{"alternatives": False}, {"class_weights": True}, {"wide": "on"}]
)
def test_what_the_user_asked_for_is_not_replaced(
    options, light, processor, records, tmp_path
) -> None:
    some = records({"fruit": 10, "tool": 10})
    run = tune(light, processor, some, tmp_path / "run", budget="3steps", **options)
    assert "head" not in run.resolved
