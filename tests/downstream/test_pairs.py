"""Pairs are read, compared by their cosine or crossed, and predicted as pairs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from datasets import Dataset

from headstart.config import FinetuneConfig, PredictConfig
from headstart.data.audit import Audit
from headstart.downstream.crossed_pairs import Crossed, CrossedPairs
from headstart.downstream.finetune import finetune
from headstart.downstream.pair_rows import PairRows, read_labeled_pairs
from headstart.downstream.predict import predict, reader
from headstart.downstream.similarity import Similarity
from headstart.errors import HeadstartError
from headstart.modalities.text.modality import TextModality
from headstart.run import RunFolder

NOTE = {"modality": "text", "length": 16, "encoder": "tiny"}
KINDS = [["apple", "pear", "plum"], ["hammer", "saw", "drill"]]


def config(out="o", **options):
    given = {"tracker": "none", "precision": "fp32", **options}
    return FinetuneConfig(run="r", train="t", out=str(out), **given)


def write(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return str(path)


def paired(count, seed=0, classes=False):
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        one, two = random.integers(2, size=2)
        label = ("same" if one == two else "other") if classes else 4.5 * float(one == two) + 0.5
        texts = [f"the {random.choice(KINDS[kind])} a" for kind in (one, two)]
        rows.append({"id": f"p:{number}", "text": texts[0], "pair": texts[1], "label": label})
    return Dataset.from_list(rows)


def tune(encoder, processor, records, out, **options):
    options = config(out, **options)
    run = RunFolder.create(out, "finetune", options)
    return finetune(encoder, processor, records, None, options, run, note=NOTE)


def test_pairs_are_read_from_columns_that_are_well_known_or_named(tmp_path):
    rows = [
        {"s1": "one thing", "s2": "two things", "score": 1.5},
        {"s1": "one thing", "s2": "", "score": 2},
        {"s1": "three things", "s2": "four things", "score": "x"},
    ]
    audit = Audit()
    path = write(tmp_path / "a.jsonl", rows)
    records = Similarity.read(path, config(), TextModality(), audit)
    assert [(r["text"], r["pair"], r["label"]) for r in records] == [
        ("one thing", "two things", 1.5)
    ]
    assert {row["where"] for row in audit.summary()["records"]} == {"a.jsonl:2", "a.jsonl:3"}
    named = [{"x": "one", "y": "two", "z": "yes"}, {"x": "three", "y": "four", "z": "no"}]
    options = config(columns={"text": "x", "pair": "y", "label": "z"})
    path = write(tmp_path / "b.jsonl", named)
    assert list(CrossedPairs.read(path, options, TextModality(), Audit())["label"]) == ["yes", "no"]
    with pytest.raises(HeadstartError, match="two records of a pair; name them with --column text"):
        read_labeled_pairs(path, config(), TextModality(), Audit())


def test_both_sides_of_a_pair_are_padded_by_themselves(processor):
    records = Dataset.from_list(
        [
            {"id": "1", "text": "apple", "pair": "the old pear of some"},
            {"id": "2", "text": "a saw", "pair": "drill"},
        ]
    )
    batch = PairRows(processor, records, torch.tensor([1.0, 0.0]), 16).batch(np.array([1, 0]), 0)
    assert batch["mask"].sum(1).tolist() == [4, 3]
    assert batch["pair_mask"].sum(1).tolist() == [3, 7]
    assert batch["labels"].tolist() == [0.0, 1.0]


def test_crossed_features_are_both_vectors_their_distance_and_their_product(light, processor):
    records = paired(3)
    batch = PairRows(processor, records, torch.zeros(3), 16).batch(np.arange(3), 0)
    light.eval()
    u = light.pool(processor.collate_texts(list(records["text"]), 16))
    v = light.pool(processor.collate_texts(list(records["pair"]), 16))
    wanted = torch.cat([u, v, (u - v).abs(), u * v], 1)
    assert torch.allclose(Crossed(light).pool(batch), wanted)


@pytest.mark.parametrize("name", ["light", "transformer"])
def test_likeness_is_learned_and_told_in_the_scale_of_the_scores(
    name, request, processor, tmp_path
):
    run = tune(
        request.getfixturevalue(name),
        processor,
        paired(100),
        tmp_path / "o",
        task="similarity",
        budget="40steps",
        optimizer={"learning_rate": 1e-2},
    )
    assert run.resolved["scores"]["spearman"] > 0.75
    path = write(
        tmp_path / "new.jsonl",
        [{"s1": "the apple a", "s2": "the plum a"}, {"s1": "the saw a", "s2": "the pear a"}],
    )
    options = PredictConfig(run=str(run.folder), inputs=[path])
    records = reader(run, options.inputs, options)(TextModality(), Audit())
    alike, other = predict(run, records)
    assert alike["value"] > other["value"] + 2
    assert 0.5 <= other["value"] <= alike["value"] <= 5
    assert alike["cosine"] > other["cosine"]


def test_classes_of_pairs_are_learned_where_single_texts_say_nothing(light, processor, tmp_path):
    run = tune(
        light,
        processor,
        paired(160, classes=True),
        tmp_path / "o",
        task="pairs",
        budget="40steps",
        optimizer={"learning_rate": 3e-2},
    )
    others = paired(40, seed=1, classes=True)
    rows = list(predict(run, others.remove_columns("label"), batch_size=7))
    hits = np.mean(
        [row["label"] == label for row, label in zip(rows, others["label"], strict=True)]
    )
    assert hits > 0.9


def test_pairs_with_fractions_are_a_regression_and_reopen_as_one(light, processor, tmp_path):
    run = tune(light, processor, paired(80), tmp_path / "o", task="pairs", budget="4steps")
    assert set(run.resolved["scores"]) == {"spearman", "pearson", "mae"}
    assert "value" in next(predict(run, paired(2)))


def test_scores_that_are_all_the_same_are_refused(light):
    records = Dataset.from_list([{"label": 1.0}] * 3)
    with pytest.raises(HeadstartError, match="at least two scores"):
        Similarity.build(light, records, config())


def test_the_shared_sts_pairs_are_read(shared_data):
    path = shared_data("sts_zh") / "cnsd_stsb_dev.jsonl"
    records = Similarity.read(str(path), config(), TextModality(), Audit())
    assert len(records) == 1458
    assert (min(records["label"]), max(records["label"])) == (0.0, 5.0)
