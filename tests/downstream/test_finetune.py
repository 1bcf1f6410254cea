"""Fine-tuning moves what it should, leaves what it should, and its run predicts."""

from __future__ import annotations

import json

import pytest
import torch

import headstart
from headstart.batch import to_device
from headstart.config import FinetuneConfig, OptimizerOptions
from headstart.downstream.classification import Classification
from headstart.downstream.finetune import finetune
from headstart.downstream.finetuning import Finetuning
from headstart.downstream.predict import open_head, predict
from headstart.downstream.training_defaults import learning_rate_for
from headstart.encoders.opening import read_note, save_encoder
from headstart.errors import HeadstartError
from headstart.run import RunFolder

NOTE = {"modality": "text", "length": 16, "encoder": "tiny"}


def config(out, **options) -> FinetuneConfig:
    options = {"tracker": "none", "precision": "fp32", **options}
    return FinetuneConfig(run="run", train="train", out=str(out), **options)


def tune(encoder, processor, records, out, validation=None, **options) -> RunFolder:
    options = config(out, **options)
    run = RunFolder.create(out, "finetune", options)
    return finetune(encoder, processor, records, validation, options, run, note=NOTE)


def gradients(encoder, processor, records, freeze):
    torch.manual_seed(0)
    head = Classification.from_records(encoder.width, records, config("out"))
    torch.nn.init.normal_(head.linear.weight)
    objective = Finetuning(encoder, head, freeze=freeze, layer_decay=0.9).train()
    batch = {**processor.collate(records, 16), "labels": head.targets(records)}
    objective(batch)["loss"].backward()
    return objective


@pytest.mark.parametrize("freeze", ["none", "0", "2", "all"])
def test_what_is_frozen_has_no_gradient_and_all_else_has_one(
    transformer, processor, records, freeze
):
    objective = gradients(transformer, processor, records({"fruit": 8, "tool": 8}), freeze)
    layers = transformer.layers()
    frozen = {"none": [], "0": layers[:1], "2": layers[:3], "all": [transformer]}[freeze]
    frozen_parameters = {parameter for module in frozen for parameter in module.parameters()}
    for name, parameter in objective.named_parameters():
        if parameter in frozen_parameters:
            assert parameter.grad is None, name
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("freeze", "modes"), [("none", [1, 1, 1, 1]), ("1", [0, 0, 1, 1])])
def test_frozen_layers_stay_in_evaluation_mode(transformer, records, freeze, modes):
    head = Classification.from_records(16, records({"fruit": 2, "tool": 2}), config("out"))
    objective = Finetuning(transformer, head, freeze=freeze, layer_decay=0.9)
    objective.eval().train()
    assert [layer.training for layer in transformer.layers()] == [bool(mode) for mode in modes]
    assert head.training


def test_dropout_is_on_while_it_learns_and_off_where_it_is_judged(
    transformer, processor, records, tmp_path, monkeypatch
):
    modes = set()
    forward = Finetuning.forward

    def watched(self, batch):
        modes.add((torch.is_grad_enabled(), self.head.training, self.encoder.training))
        return forward(self, batch)

    monkeypatch.setattr(Finetuning, "forward", watched)
    known = records({"fruit": 8, "tool": 8})
    tune(transformer, processor, known, tmp_path / "run", budget="2steps")
    assert modes == {(True, True, True), (False, False, False)}


def test_an_encoder_with_nothing_left_to_learn_is_frozen_whole(light, records):
    head = Classification.from_records(16, records({"fruit": 2, "tool": 2}), config("out"))
    assert not Finetuning(light, head, freeze="0", layer_decay=0.9).train().encoder.training


def test_the_head_learns_faster_than_the_encoder(transformer, records):
    head = Classification.from_records(16, records({"fruit": 2, "tool": 2}), config("out"))
    objective = Finetuning(transformer, head, freeze="none", layer_decay=0.5)
    groups = objective.parameter_groups(1e-4)
    assert [group["lr"] for group in groups] == [0.125e-4, 0.25e-4, 0.5e-4, 1e-4, 1e-4, 1e-3]
    assert set(groups[-1]["params"]) == set(head.parameters())
    assert objective.parameter_groups(5e-3)[-1]["lr"] == 1e-2
    assert objective.parameter_groups(2e-2)[-1]["lr"] == 2e-2


def test_the_rate_follows_the_width_of_a_network_but_not_of_a_table(light, transformer):
    transformer.width = 768
    assert learning_rate_for(transformer) == 5e-5
    transformer.width = 256
    assert learning_rate_for(transformer) == pytest.approx(1.5e-4)
    light.width = 768
    assert learning_rate_for(light) == 1e-3


def test_fine_tuning_learns_the_labels_and_the_saved_run_predicts_the_same(
    light, processor, records, tmp_path
):
    some = records({"fruit": 60, "tool": 60, "bird": 60})
    others = records({"fruit": 20, "tool": 20, "bird": 20}, seed=1)
    run = tune(light, processor, some, tmp_path / "tuned", budget="200steps")
    rows = list(predict(run, others, batch_size=7))
    assert [row["id"] for row in rows] == list(others["id"])
    hits = sum(row["label"] == label for row, label in zip(rows, others["label"], strict=True))
    assert hits >= 57
    head = open_head(run)
    batch = to_device(processor.collate(others, 16), torch.device("cpu"))
    with torch.no_grad():
        wanted = head.predictions(head.features(light.eval(), batch), batch)
    for row, want in zip(rows, wanted, strict=True):
        assert row["scores"] == pytest.approx(want["scores"], abs=1e-5)


def test_the_run_folder_says_what_it_holds(light, processor, records, tmp_path):
    run = tune(
        light, processor, records({"fruit": 10, "tool": 10}), tmp_path / "t", budget="5steps"
    )
    assert run.finished
    resolved = run.resolved
    assert resolved["labels"] == ["fruit", "tool"]
    assert (resolved["task"], resolved["modality"], resolved["length"]) == (
        "classification",
        "text",
        16,
    )
    accuracy = resolved["scores"]["accuracy"]
    assert f"On 4 held-out records: accuracy {accuracy:.3f}." in run.log_file.read_text("utf-8")
    assert [row["step"] for row in run.metrics() if "loss" in row] == [1, 2, 3, 4, 5]
    assert read_note(run.encoder) | NOTE == read_note(run.encoder)
    described = json.loads((run.head / "head.json").read_text())
    assert described.pop("unit") in (False, True)
    known = described.pop("known")
    assert {row["label"] for row in known} == {"fruit", "tool"}
    assert described == {
        "task": "classification",
        "labels": ["fruit", "tool"],
        "width": 16,
        "dropout": 0.1,
        "wide": False,
        "fused": None,
    }


def test_with_everything_frozen_only_the_head_moves(transformer, processor, records, tmp_path):
    before = {name: value.clone() for name, value in transformer.state_dict().items()}
    run = tune(
        transformer,
        processor,
        records({"fruit": 10, "tool": 10}),
        tmp_path / "t",
        budget="8steps",
        freeze="all",
    )
    for name, value in transformer.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert open_head(run).linear.weight.abs().sum() > 0


def test_training_that_only_does_harm_leaves_the_start(light, processor, records, tmp_path):
    before = light.embedding.weight.clone()
    tune(
        light,
        processor,
        records({"fruit": 20, "tool": 20}),
        tmp_path / "t",
        budget="12steps",
        optimizer=OptimizerOptions(learning_rate=1000.0),
    )
    assert torch.equal(light.embedding.weight, before)


def test_what_was_not_asked_for_is_decided_once(light, processor, records, tmp_path):
    run = tune(
        light,
        processor,
        records({"fruit": 20, "tool": 20}),
        tmp_path / "t",
        patience=1,
        optimizer=OptimizerOptions(learning_rate=0.5),
    )
    plan = run.resolved["plan"]
    assert plan["budget"] == "300steps"
    assert plan["batch_size"] == 16
    assert plan["patience"] == 1
    assert plan["validation_share"] == 0.2
    validations = [row["step"] for row in run.metrics() if "validation_loss" in row]
    assert validations[:2] == [0, 10]
    assert validations[-1] < 300  # patience ran out


def test_a_resumed_run_ends_with_the_same_predictions(processor, records, tmp_path, light):
    from copy import deepcopy

    some = records({"fruit": 20, "tool": 20})
    options = {"budget": "24steps", "checkpoint_steps": 4}
    whole = tune(deepcopy(light), processor, some, tmp_path / "whole", **options)
    cut = config(tmp_path / "cut", **options)
    run = RunFolder.create(tmp_path / "cut", "finetune", cut)
    finetune(deepcopy(light), processor, some, None, cut, run, note=NOTE)
    for file in list(run.checkpoints.glob("step-*")):
        if int(file.stem.removeprefix("step-")) > 20:
            file.unlink()
    again = FinetuneConfig(**run.config()["options"])
    finetune(deepcopy(light), processor, some, None, again, run, note=NOTE)
    assert list(predict(run, some)) == list(predict(whole, some))


def test_an_unknown_task_is_named_with_the_nearest(light, processor, records, tmp_path):
    with pytest.raises(HeadstartError, match="did you mean 'classification'"):
        tune(light, processor, records({"fruit": 2}), tmp_path / "t", task="clasification")


def test_a_validation_label_never_trained_on_ends_it(light, processor, records, tmp_path):
    with pytest.raises(HeadstartError, match="'bird' occurs in the validation records"):
        tune(
            light,
            processor,
            records({"fruit": 4, "tool": 4}),
            tmp_path / "t",
            validation=records({"bird": 1}),
        )


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ("seq2seq", r"needs decoder, .*encoders that can: t5; objectives to pre-train with: span_"),
        ("questions", r"needs order, .*encoders that can: modernbert, bert, gpt"),
        ("detection", r"the task 'detection' reads pictures"),
    ],
)
def test_a_task_that_the_encoder_cannot_serve_is_refused_before_anything_is_read(
    light, processor, tmp_path, task, sentence
):
    save_encoder(light, processor, tmp_path / "encoder", NOTE)
    out, missing = tmp_path / "out", str(tmp_path / "nowhere.jsonl")
    with pytest.raises(HeadstartError, match=sentence):
        headstart.finetune(str(tmp_path / "encoder"), train=missing, out=str(out), task=task)
    assert not out.exists()
