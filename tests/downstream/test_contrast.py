"""Supervised contrast: pairs of one class, an encoder that learns from them, and refusals."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from headstart.config import FinetuneConfig, OptimizerOptions
from headstart.downstream import contrast
from headstart.downstream.classification import Classification
from headstart.downstream.contrast import PairedRows, lower_third
from headstart.downstream.finetune import finetune
from headstart.downstream.predict import predict
from headstart.downstream.rows import LabeledRows
from headstart.encoders.opening import open_encoder
from headstart.errors import HeadstartError
from headstart.run import RunFolder

NOTE = {"modality": "text", "length": 16, "encoder": "tiny"}


def tune(encoder, processor, records, out, **options):
    usual = {"tracker": "none", "precision": "fp32", "loss": "contrast", "alternatives": False}
    config = FinetuneConfig(run="run", train="train", out=str(out), **{**usual, **options})
    run = RunFolder.create(out, "finetune", config)
    return finetune(encoder, processor, records, None, config, run, note=NOTE)


def test_each_row_stands_beside_another_of_its_class(processor, records):
    known = records({"fruit": 3, "tool": 4})
    targets = torch.tensor([0, 0, 0, 1, 1, 1, 2])
    rows = PairedRows(LabeledRows(processor, known, targets, 16), seed=0)
    indices = np.arange(7)
    drawn = [rows.batch(indices, epoch)["labels"] for epoch in range(8)]
    assert all(torch.equal(one[:7], targets) and torch.equal(one[7:], targets) for one in drawn)
    ids = [rows.batch(indices, epoch)["input_ids"] for epoch in range(8)]
    for one in ids:  # the class of one record pairs it with itself, no other does
        assert [torch.equal(one[k], one[7 + k]) for k in range(7)] == [False] * 6 + [True]
    assert torch.equal(ids[0], rows.batch(indices, 0)["input_ids"])
    assert any(not torch.equal(ids[0], other) for other in ids[1:])


def nearness(encoder, processor, records) -> float:
    """Return how much more alike unseen records of one class are than others, as cosines."""
    targets = Classification.from_records(
        16, records, FinetuneConfig(run="r", train="t", out="o")
    ).targets(records)
    with torch.no_grad():
        vectors = normalize(encoder.eval().pool(processor.collate(records, 16)))
    alike = targets[:, None] == targets
    cosines = vectors @ vectors.T
    off = ~torch.eye(len(targets), dtype=torch.bool)
    return float(cosines[alike & off].mean() - cosines[~alike].mean())


def test_unseen_records_of_one_class_come_nearer(light, processor, records, tmp_path):
    unseen = records({"fruit": 30, "tool": 30}, seed=1)
    before = nearness(light, processor, unseen)
    known = records({"fruit": 20, "tool": 20})
    options = {"budget": "120steps", "optimizer": OptimizerOptions(learning_rate=1e-2)}
    run = tune(light, processor, known, tmp_path / "run", **options)
    assert nearness(open_encoder(run.encoder), processor, unseen) > before + 0.2
    assert "learned to tell the classes apart" in run.log_file.read_text(encoding="utf-8")


def test_the_lower_third_stays(transformer, processor, records, tmp_path):
    assert lower_third(transformer) == "1"
    start = [
        {k: v.clone() for k, v in layer.state_dict().items()} for layer in transformer.layers()
    ]
    run = tune(transformer, processor, records({"fruit": 8, "tool": 8}), tmp_path / "run")
    same = [
        all(torch.equal(first[name], value) for name, value in layer.state_dict().items())
        for first, layer in zip(start, open_encoder(run.encoder).layers(), strict=True)
    ]
    assert same == [True, True, False, False]


def test_an_encoder_that_became_worse_stays_as_it_was(
    transformer, processor, records, tmp_path, monkeypatch
):
    start = {name: value.clone() for name, value in transformer.state_dict().items()}
    right = iter([3, 2])
    monkeypatch.setattr(contrast, "_right", lambda *arguments: next(right))
    run = tune(transformer, processor, records({"fruit": 8, "tool": 8}), tmp_path / "run")
    kept = open_encoder(run.encoder).state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in start.items())
    assert "The encoder stays as it was" in run.log_file.read_text(encoding="utf-8")


def test_gone_on_with_it_predicts_the_same(transformer, processor, records, tmp_path):
    known, options = records({"fruit": 8, "tool": 8}), {"budget": "8steps", "checkpoint_steps": 2}
    first = deepcopy(transformer)
    whole = tune(transformer, processor, known, tmp_path / "whole", **options)
    cut = tune(deepcopy(first), processor, known, tmp_path / "cut", **options)
    for file in cut.checkpoints.glob("step-*"):
        if int(file.stem.removeprefix("step-")) > 4:
            file.unlink()
    again = FinetuneConfig(**cut.config()["options"])
    finetune(first, processor, known, None, again, cut, note=NOTE)
    assert list(predict(cut, known)) == list(predict(whole, known))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze": "all"}, "nothing to learn with freeze=all"),
        ({"task": "regression"}, "the task regression has none"),
        ({"unlabeled": ["more"], "semi": "fixmatch"}, "semi=fixmatch both train the network"),
    ],
)
def test_what_it_cannot_serve_is_refused(
    options, message, transformer, processor, records, tmp_path
):
    with pytest.raises(HeadstartError, match=message):
        tune(transformer, processor, records({"fruit": 4, "tool": 4}), tmp_path / "run", **options)
