"""Classifiers of class names, of one label a class, and of what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentences import WORDS

from headstart.config import FinetuneConfig, OptimizerOptions, PredictConfig
from headstart.downstream.few_labels import are_too_few, learn_from_few
from headstart.downstream.finetune import finetune
from headstart.downstream.predict import open_head, predict
from headstart.errors import HeadstartError
from headstart.modalities.opening import open_modality
from headstart.run import RunFolder
from headstart.verbs import learning

NOTE = {"modality": "text", "length": 16, "encoder": "tiny"}
NAMES = {"fruit": "apple pear plum", "tool": "hammer saw drill", "bird": "robin wren finch"}


def plan(out, **options) -> FinetuneConfig:
    return FinetuneConfig(run="r", train="t", out=str(out), tracker="none", **options)


@pytest.fixture
def light(light, processor):
    """Words of one class lie together, and filler near none."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        light.embedding.weight.normal_(std=0.1, generator=generator)
        for number, words in enumerate(WORDS.values()):
            rows = Dataset.from_dict({"id": words, "text": words})
            ids = processor.collate(rows, 16)["input_ids"].unique()
            light.embedding.weight[ids[ids > 3], number] += 2.0
    return light


def named(*labels: str) -> Dataset:
    rows = [{"id": each, "text": NAMES[each], "label": each} for each in labels]
    return Dataset.from_list(rows)


def learned(light, processor, out, records=None, names=None, unlabeled=None) -> RunFolder:
    config = plan(out)
    run = RunFolder.create(out, "finetune", config)
    parts = (light, processor, records, names, unlabeled, None, config, run)
    return learn_from_few(*parts, note=NOTE)


def right(run: RunFolder, tested: Dataset) -> float:
    found = np.array([row["label"] for row in predict(run, tested)])
    return float((found == np.array(tested["label"])).mean())


def test_names_alone_make_a_classifier_and_what_they_spread_to(
    light, processor, records, tmp_path
) -> None:
    each = dict.fromkeys(NAMES, 60)
    unlabeled, tested = records(each, seed=1).remove_columns("label"), records(each, seed=2)
    alone = learned(light, processor, tmp_path / "alone", names=named(*NAMES))
    spread = learned(light, processor, tmp_path / "spread", None, named(*NAMES), unlabeled)
    assert right(alone, tested) > 0.5
    assert right(spread, tested) >= right(alone, tested)
    assert spread.resolved["chosen"]["name"] == "class names + propagation"
    assert "0 labels and 3 names: none is held out" in spread.log_file.read_text()
    assert spread.finished


def test_a_class_that_has_a_name_alone_is_predicted(light, processor, records, tmp_path) -> None:
    some = records({"fruit": 6, "tool": 6})
    run = learned(light, processor, tmp_path / "run", some, named(*NAMES))
    assert open_head(run).labels == ["bird", "fruit", "tool"]
    assert "12 labels and 3 names: a class has a name alone" in run.log_file.read_text()
    birds = records({"bird": 30}, seed=3)
    assert right(run, birds) > 0.4


def test_when_labels_are_too_few(records, tmp_path) -> None:
    one, two = records({"fruit": 1, "tool": 1}), records({"fruit": 2, "tool": 1})
    config = plan(tmp_path)
    assert are_too_few(one, None, config)
    assert not are_too_few(two, None, config)
    assert are_too_few(two, named("bird"), config)
    assert are_too_few(None, named("bird", "tool"), config)
    assert not are_too_few(one, None, plan(tmp_path, val="held.csv"))
    assert not are_too_few(one, None, plan(tmp_path, semi="pseudo"))


def test_one_class_is_refused(light, processor, records, tmp_path) -> None:
    with pytest.raises(HeadstartError, match="two classes or more are needed, but 'fruit'"):
        learned(light, processor, tmp_path / "run", records({"fruit": 3}), named("fruit"))


@pytest.fixture
def tuned(light, processor, records, tmp_path) -> RunFolder:
    # Far too high a rate: what is on the frozen features is taken.
    rate = OptimizerOptions(learning_rate=1000.0)
    config = plan(tmp_path / "tuned", budget="3steps", precision="fp32", optimizer=rate)
    run = RunFolder.create(tmp_path / "tuned", "finetune", config)
    some = records({"fruit": 30, "tool": 30})
    return finetune(light, processor, some, None, config, run, note=NOTE, names=named("tool"))


def abstaining(share: str) -> PredictConfig:
    return PredictConfig(run="r", inputs=["i"], abstain=share)


def test_records_unlike_the_labeled_ones_get_no_label_but_a_reason(tuned, records) -> None:
    known, birds = records({"fruit": 60, "tool": 60}, seed=4), records({"bird": 60}, seed=5)
    found = {
        name: list(predict(tuned, rows, options=abstaining("10%")))
        for name, rows in (("known", known), ("birds", birds))
    }
    shares = {name: np.mean([row["label"] is None for row in each]) for name, each in found.items()}
    assert shares["known"] < 0.25 < shares["birds"]
    refused = next(row for row in found["birds"] if row["label"] is None)
    assert refused["reason"] == "less like the labeled records than 90% of these are"
    assert len(refused["nearest"]) == 3
    assert refused["nearest"][0].keys() == {"id", "label", "text", "cosine"}
    plain = list(predict(tuned, known))
    assert all(row["label"] is not None and "reason" not in row for row in plain)


def test_a_share_that_cannot_be_met_and_a_head_that_cannot_tell(
    tuned, light, processor, records, tmp_path
) -> None:
    with pytest.raises(HeadstartError, match=r"--abstain 0\.1%: of 60 labels that is less"):
        predict(tuned, records({"fruit": 2}), options=abstaining("0.1%"))
    one = learned(light, processor, tmp_path / "one", records({"fruit": 1, "tool": 1}))
    with pytest.raises(HeadstartError, match="--abstain needs a head"):
        predict(one, records({"fruit": 2}), options=abstaining("5%"))


def test_the_choice_and_its_calibration_are_told_and_kept(tuned) -> None:
    told = tuned.resolved["chosen"]
    assert told["candidates"][0]["name"] == told["name"]
    assert {"temperature", "before", "after"} == told["calibration"].keys()
    log = tuned.log_file.read_text()
    assert f"On the frozen features: {told['name']}" in log
    assert "Its probabilities are calibrated" in log


@pytest.mark.parametrize(("semi", "kept"), [("auto", ["1", "2"]), ("pseudo", ["1"])])
def test_a_name_without_a_label_is_left_to_what_can_learn_from_it(semi, kept, tmp_path) -> None:
    file = tmp_path / "names.csv"
    file.write_text("label,name\n1,an angry customer\n2,a thankful one\n")
    records = Dataset.from_dict({"id": ["a"], "text": ["so angry"], "label": ["1"]})
    found = learning._names(
        plan(tmp_path / "run", names=str(file), semi=semi), records, open_modality("text")
    )
    assert found["label"] == kept
