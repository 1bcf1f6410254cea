"""Records may have several labels; thresholds are found without promising too much."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from datasets import Dataset
from sklearn.metrics import f1_score

from headstart.config import FinetuneConfig
from headstart.data.audit import Audit
from headstart.downstream.finetune import finetune
from headstart.downstream.multilabel import MultiLabel, best_thresholds
from headstart.downstream.predict import open_head, predict
from headstart.errors import HeadstartError
from headstart.modalities.text.modality import TextModality
from headstart.run import RunFolder

NOTE = {"modality": "text", "length": 16, "encoder": "tiny"}
TELLING = {"fruit": ["apple", "pear"], "tool": ["hammer", "saw"], "bird": ["robin", "wren"]}


def config(out="o", **options):
    given = {"task": "multilabel", "tracker": "none", "precision": "fp32", **options}
    return FinetuneConfig(run="r", train="t", out=str(out), **given)


def several(count, seed=0):
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        labels = [label for label in TELLING if random.random() < 0.4]
        words = [*random.choice(["the", "old", "a"], 3)]
        words += [random.choice(TELLING[label]) for label in labels]
        text = " ".join(random.permutation(words))
        rows.append({"id": f"s:{number}", "text": text, "label": labels})
    return Dataset.from_list(rows)


@pytest.mark.parametrize(
    "rows",
    [
        [{"text": "one", "labels": ["a", "b"]}, {"text": "two", "labels": []}],
        [{"text": "one", "labels": "b|a"}, {"text": "two", "labels": "a"}],
    ],
)
def test_labels_are_read_from_lists_and_from_separators(tmp_path, rows):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    options = config().model_copy(update={"train": str(path)})
    records = MultiLabel.read(str(path), options, TextModality(), Audit())
    assert records["label"][0] == ["a", "b"]
    assert set(records["label"][1]) <= {"a"}


def test_records_without_any_label_are_refused(light):
    records = Dataset.from_list([{"id": "1", "text": "x", "label": []}] * 2)
    with pytest.raises(HeadstartError, match="none has one; check --column label=COLUMN"):
        MultiLabel.build(light, records, config())


def test_the_loss_is_the_mean_binary_cross_entropy():
    head = MultiLabel(2, ["a", "b"], [0.5, 0.5])
    torch.nn.init.normal_(head.linear.weight)
    features, labels = torch.randn(3, 2), torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    chances = head.linear(features).sigmoid()
    wanted = -(labels * chances.log() + (1 - labels) * (1 - chances).log()).mean()
    assert head(features, {"labels": labels})["loss"].item() == pytest.approx(wanted.item())


def test_several_labels_are_learned_and_predicted(light, processor, tmp_path):
    options = config(tmp_path / "o", budget="20steps", threshold=0)
    run = RunFolder.create(tmp_path / "o", "finetune", options)
    finetune(light, processor, several(120), None, options, run, note=NOTE)
    assert run.resolved["scores"]["micro_f1"] > 0.9
    others = several(40, seed=1)
    rows = list(predict(run, others.remove_columns("label"), batch_size=7))
    exact = np.mean(
        [set(r["labels"]) == set(t) for r, t in zip(rows, others["label"], strict=True)]
    )
    assert exact > 0.8
    assert set(rows[0]["scores"]) == set(TELLING)
    assert open_head(run).thresholds != [0.5] * 3


def test_a_higher_threshold_names_fewer_labels():
    head = MultiLabel(2, ["a", "b"], [0.5, 0.9]).eval()
    head.linear.bias.data.fill_(1.0)  # a chance of 0.73 each
    assert head.predictions(torch.zeros(1, 2), {})[0]["labels"] == ["a"]


def test_the_best_thresholds_have_the_best_f1_of_all():
    random = np.random.default_rng(0)
    truth = random.random((50, 3)) < 0.3
    truth[:, 2] = False
    chances = np.clip(truth * 0.3 + random.random((50, 3)) * 0.6, 0, 1)
    found = best_thresholds(chances, truth)
    assert found[2] == 0.5
    for index in range(2):
        scores = [f1_score(truth[:, index], chances[:, index] >= t) for t in chances[:, index]]
        assert f1_score(truth[:, index], chances[:, index] >= found[index]) == max(scores)


def test_found_thresholds_are_scored_on_records_they_were_not_found_on():
    class Noise:
        targets = torch.tensor(np.random.default_rng(0).random((40, 1)) < 0.2).float()

        def __len__(self):
            return 40

        def batch(self, indices, epoch):
            generator = torch.Generator().manual_seed(3)
            return {"x": torch.randn(40, 2, generator=generator)[indices]}

    class Plain:
        def eval(self):
            return self

        def pool(self, batch):
            return batch["x"]

    head = MultiLabel(2, ["a"], [0.5], finds=True)
    torch.nn.init.ones_(head.linear.weight)
    honest = head.measure(Plain(), Noise())["micro_f1"]
    head.finds = False
    assert head.measure(Plain(), Noise())["micro_f1"] > honest
