"""Heads as networks of tensors give what ``predict`` gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.downstream.classification import Classification
from headstart.downstream.fused import Fused, Linear, Spread
from headstart.downstream.multilabel import MultiLabel
from headstart.downstream.portable import PortableHead
from headstart.downstream.prototypes import Prototypes
from headstart.downstream.regression import Regression
from headstart.downstream.similarity import Similarity
from headstart.errors import HeadstartError
from headstart.evaluation.heads.sides import View

FEATURES = torch.randn(7, 6, generator=torch.Generator().manual_seed(1))
LABELS = ["a", "b", "c"]


def scores(head: PortableHead) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = head.network.eval()(FEATURES).numpy()
    return found


def test_a_fused_head_with_a_pool_of_vectors() -> None:
    pool = torch.nn.functional.normalize(torch.randn(20, 4), dim=1)
    beliefs = torch.rand(20, 3).softmax(1)
    view = View(((0, 4, 1.0),))
    linear = Linear(View(), True, torch.randn(3, 6), torch.randn(3))
    head = Classification(6, LABELS).eval()
    head.fused = Fused([linear, Spread(view, pool, beliefs)], temperature=0.7)
    found = head.portable()
    wanted = head.predictions(FEATURES, {})
    assert scores(found).max(1) == pytest.approx([row["score"] for row in wanted], abs=1e-5)
    names = [LABELS[index] for index in found.decided(scores(found))]
    assert names == [row["label"] for row in wanted]
    assert found.about["temperature"] == 0.7
    assert any("vectors of training records" in line for line in found.limits)


def test_several_labels_keep_their_thresholds() -> None:
    head = MultiLabel(6, LABELS, [0.2, 0.5, 0.9]).eval()
    torch.nn.init.normal_(head.linear.weight)
    found = head.portable()
    held = [np.array(LABELS)[row].tolist() for row in found.decided(scores(found))]
    assert held == [row["labels"] for row in head.predictions(FEATURES, {})]


def test_numbers_are_in_their_own_unit() -> None:
    head = Regression(6, mean=40.0, deviation=9.0).eval()
    torch.nn.init.normal_(head.linear.weight)
    found = head.portable()
    wanted = [row["value"] for row in head.predictions(FEATURES, {})]
    assert found.decided(scores(found)) == pytest.approx(wanted, rel=1e-5)


def test_prototypes_are_probabilities() -> None:
    head = Prototypes(6, LABELS).eval()
    head.means.copy_(torch.randn(3, 6))
    wanted = [row["score"] for row in head.predictions(FEATURES, {})]
    assert scores(head.portable()).max(1) == pytest.approx(wanted, abs=1e-5)


def test_a_head_on_pairs_is_refused() -> None:
    with pytest.raises(HeadstartError, match="'similarity' cannot be exported; leave it out"):
        Similarity(0.0, 1.0).portable()
