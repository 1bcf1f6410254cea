"""Numbers are learned, told in their own scale, and scored by rank."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset
from scipy import stats

from headstart.config import FinetuneConfig
from headstart.data.audit import Audit
from headstart.downstream.finetune import finetune
from headstart.downstream.predict import predict
from headstart.downstream.regression import Regression, correlations, numbered
from headstart.errors import HeadstartError
from headstart.run import RunFolder

NOTE = {"modality": "text", "length": 16, "encoder": "tiny"}


def counted(count, seed=0):
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        words = list(random.choice(["apple", "hammer", "the"], 6))
        value = 100.0 + 10 * words.count("apple") - 10 * words.count("hammer")
        rows.append({"id": f"s:{number}", "text": " ".join(words), "label": value})
    return Dataset.from_list(rows)


def test_numbers_are_learned_and_told_in_their_own_scale(light, processor, tmp_path):
    options = FinetuneConfig(
        run="r",
        train="t",
        out=str(tmp_path / "o"),
        task="regression",
        budget="20steps",
        tracker="none",
        precision="fp32",
    )
    run = RunFolder.create(tmp_path / "o", "finetune", options)
    finetune(light, processor, counted(80), None, options, run, note=NOTE)
    others = counted(20, seed=1)
    values = [row["value"] for row in predict(run, others.remove_columns("label"))]
    assert np.abs(np.array(values) - np.array(others["label"])).mean() < 5
    assert run.resolved["scores"]["spearman"] > 0.9
    assert run.resolved["scores"]["mae"] < 5


def test_the_loss_is_the_squared_error_in_variances():
    head = Regression(2, 10.0, 2.0).eval()
    head.linear.bias.data.fill_(1.0)
    targets = head.targets(Dataset.from_list([{"label": 10.0}, {"label": 14.0}]))
    assert targets.tolist() == [0.0, 2.0]
    assert head(torch.zeros(2, 2), {"labels": targets})["loss"].item() == 1.0
    assert head.predictions(torch.zeros(1, 2), {}) == [{"value": 12.0}]


def test_what_is_no_number_is_set_aside():
    audit = Audit()
    rows = [{"id": str(n), "label": label} for n, label in enumerate(["1.5", "x", "nan", "2"])]
    records = numbered(Dataset.from_list(rows), "a.csv", audit)
    assert list(records["label"]) == [1.5, 2.0]
    assert audit.reasons["its label is not a number"] == 2
    with pytest.raises(HeadstartError, match="no label is a number"):
        numbered(Dataset.from_list(rows[1:2]), "a.csv", audit)


def test_one_number_alone_is_refused(light):
    options = FinetuneConfig(run="r", train="t", out="o")
    records = Dataset.from_list([{"label": 1.0}, {"label": 1.0}])
    with pytest.raises(HeadstartError, match="two different numbers at least"):
        Regression.build(light, records, options)


def test_correlations_are_those_of_scipy_and_zero_for_constants():
    a, b = np.random.default_rng(0).normal(size=(2, 20))
    found = correlations(a, b)
    assert found["spearman"] == pytest.approx(stats.spearmanr(a, b).statistic)
    assert found["pearson"] == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert correlations(a, np.ones(20)) == {"spearman": 0.0, "pearson": 0.0}
