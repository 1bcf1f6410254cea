"""The classification head against scikit-learn and against sums done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from headstart.config import FinetuneConfig
from headstart.downstream.classes import balanced_weights
from headstart.downstream.classification import Classification, logistic_regression
from headstart.downstream.frozen import frozen_features
from headstart.downstream.rows import LabeledRows
from headstart.errors import HeadstartError


def config(**options) -> FinetuneConfig:
    return FinetuneConfig(run="run", train="train", out="out", **options)


def of(*targets: int) -> dict[str, torch.Tensor]:
    return {"labels": torch.tensor(targets)}


def test_class_weights_are_those_of_scikit_learn():
    labels = np.repeat([0, 1, 2], [6, 3, 1])
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balanced_weights([6, 3, 1]).numpy() == pytest.approx(wanted)


def test_the_weighted_loss_is_the_one_by_hand(records):
    head = Classification.from_records(
        2, records({"fruit": 3, "tool": 1}), config(class_weights=True)
    )
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    found = head.eval()(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), of(0, 0))
    first, second = math.log(1 + math.exp(-2)), math.log(1 + math.exp(1))
    assert found["loss"].item() == pytest.approx((first + second) / 2)  # one class: weights cancel
    assert found["accuracy"].item() == 0.5
    found = head(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), of(0, 1))
    fruit, tool = 4 / (2 * 3), 4 / (2 * 1)
    wrong = math.log(1 + math.exp(2))
    assert found["loss"].item() == pytest.approx((fruit * first + tool * wrong) / (fruit + tool))


def test_a_fresh_head_gives_every_label_the_same_chance(records):
    head = Classification.from_records(4, records({"fruit": 2, "bird": 2, "tool": 2}), config())
    assert head.labels == ["bird", "fruit", "tool"]
    (row,) = head.eval().predictions(torch.randn(1, 4), {})
    assert list(row["scores"].values()) == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("balanced", [False, True])
def test_the_linear_layer_equals_scikit_learns_logistic_regression(classes, balanced):
    random = np.random.default_rng(0)
    targets = np.arange(60) % classes
    features = random.normal(size=(60, 5)) * [1, 10, 0.1, 1, 1] + 3 + targets[:, None]
    linear = logistic_regression(
        torch.tensor(features), torch.tensor(targets), strength=0.3, balanced=balanced
    )
    weight = "balanced" if balanced else None
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.3, max_iter=1000, class_weight=weight)
    ).fit(features, targets)
    found = linear(torch.tensor(features).float()).softmax(1).numpy()
    assert found == pytest.approx(model.predict_proba(features), abs=1e-5)


def test_the_warm_start_has_the_lowest_validation_loss_of_all_strengths(records, processor, light):
    train, held = records({"fruit": 20, "tool": 20}), records({"fruit": 9, "tool": 9}, seed=1)
    head = Classification.from_records(light.width, train, config())
    rows = [LabeledRows(processor, r, head.targets(r), 16) for r in (train, held)]
    head.warm_start(light, *rows)
    features, targets = frozen_features(light, rows[0])
    held_features, held_targets = frozen_features(light, rows[1])
    losses = []
    for strength in (0.001, 0.01, 0.1, 1.0, 10.0):
        linear = logistic_regression(features, targets, strength=strength)
        losses.append(torch.nn.functional.cross_entropy(linear(held_features), held_targets).item())
    found = head.eval()(held_features, {"labels": held_targets})["loss"].item()
    assert found == pytest.approx(min(losses))
    assert found < math.log(2)


def test_frozen_features_of_many_rows_miss_no_class(records, processor, light, monkeypatch):
    monkeypatch.setattr("headstart.downstream.frozen._MOST", 5)
    some = records({"fruit": 60, "tool": 1, "bird": 1})
    head = Classification.from_records(light.width, some, config())
    features, targets = frozen_features(light, LabeledRows(processor, some, head.targets(some), 16))
    assert set(targets.tolist()) == {0, 1, 2}
    assert 5 <= len(features) == len(targets) <= 8


def test_predictions_name_the_likeliest_label_and_sum_to_one():
    head = Classification(2, ["no", "yes"]).eval()
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    up, down = head.predictions(torch.tensor([[2.0, 5.0], [-1.0, 5.0]]), {})
    assert (up["label"], down["label"]) == ("yes", "no")
    assert up["score"] == up["scores"]["yes"] == pytest.approx(1 / (1 + math.exp(-2)))
    assert sum(down["scores"].values()) == pytest.approx(1)


def test_a_saved_head_gives_the_same_predictions(tmp_path):
    head = Classification(3, ["a", "é", "中"], dropout=0.4, weights=torch.ones(3)).eval()
    torch.nn.init.normal_(head.linear.weight)
    head.save(tmp_path)
    again = Classification.load(tmp_path)
    vectors = torch.randn(5, 3)
    assert again.predictions(vectors, {}) == head.predictions(vectors, {})
    assert again.dropout.p == 0.4


def test_the_held_out_slice_has_every_label(records):
    some = records({"fruit": 30, "tool": 10, "bird": 2})
    head = Classification.from_records(4, some, config())
    kept, held = head.hold_out(some, 0.2, seed=0)
    assert sorted([*kept["id"], *held["id"]]) == sorted(some["id"])
    counts = {label: list(held["label"]).count(label) for label in head.labels}
    assert counts == {"fruit": 6, "tool": 2, "bird": 1}


def test_a_label_with_one_record_is_trained_on(records):
    some = records({"fruit": 30, "bird": 1})
    kept, held = Classification.from_records(4, some, config()).hold_out(some, 0.2, seed=0)
    assert "bird" in list(kept["label"])
    assert set(held["label"]) == {"fruit"}


def test_one_record_a_label_cannot_be_held_out(records):
    some = records({"fruit": 1, "bird": 1})
    head = Classification.from_records(4, some, config())
    with pytest.raises(HeadstartError, match="each of the 2 labels has one training record"):
        head.hold_out(some, 0.2, seed=0)


def test_one_label_alone_is_refused(records):
    with pytest.raises(HeadstartError, match="at least two labels, but only 'fruit' occurs"):
        Classification.from_records(4, records({"fruit": 5}), config())


def test_no_records_are_refused(records):
    with pytest.raises(HeadstartError, match="there are no records"):
        Classification.from_records(4, records({"fruit": 5}).select([]), config())


def test_a_validation_label_that_was_never_trained_on_is_named(records):
    head = Classification.from_records(4, records({"fruit": 2, "tool": 2}), config())
    with pytest.raises(HeadstartError, match="'bird' occurs in the validation records but in no"):
        head.targets(records({"fruit": 2, "bird": 1}))


def test_records_without_labels_are_refused():
    bare = Dataset.from_dict({"id": ["a"], "text": ["apple"]})
    with pytest.raises(HeadstartError, match="no label column; name it with --column label=COLUMN"):
        Classification.from_records(4, bare, config())
    holes = Dataset.from_dict({"id": ["a", "b"], "text": ["x", "y"], "label": ["fruit", None]})
    with pytest.raises(HeadstartError, match="the record 'b' has no label"):
        Classification.from_records(4, holes, config())


def test_a_dimension_that_hardly_varies_gets_no_weight_beyond_bounds() -> None:
    """A published encoder has such a dimension: its weight of 1e32 made every gradient infinite."""
    features = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    features[:, 3] *= 1e-32
    targets = (features[:, 0] > 0).long()
    linear = logistic_regression(features, targets, strength=1.0)
    assert linear.weight.abs().max() < 100
    assert (linear(features).argmax(1) == targets).float().mean() > 0.9
