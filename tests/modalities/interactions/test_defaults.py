"""What interactions are trained with, where the user has chosen nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from headstart.config import Budget, PretrainConfig
from headstart.modalities import Defaults, Request
from headstart.modalities.interactions import modality
from headstart.modalities.interactions.modality import InteractionsModality
from headstart.training.defaults import decide


def histories(users: int, events: int, items: int = 50) -> Dataset:
    rng = np.random.default_rng(0)
    lists = rng.integers(0, items, (users, events)).astype(str).tolist()
    return Dataset.from_dict({"id": [str(user) for user in range(users)], "items": lists})


def chosen(records: Dataset, **given: Any) -> Defaults:
    options: dict[str, Any] = {"objectives": (), "encoder": None, "length": None, **given}
    budget = Budget(5, "minutes")
    request = Request(**options, budget=budget, records=records, longest=lambda _: 128)
    return InteractionsModality().defaults(request)


def test_a_causal_network_reads_the_latest_fifty_items() -> None:
    found = chosen(histories(10, 80))
    assert (found.objectives, found.encoder, found.length) == (("clm",), "bert", 50)
    assert chosen(histories(10, 7)).length == 7
    assert chosen(histories(10, 7), objectives=("mlm",)).encoder == "bert"
    assert chosen(histories(10, 7), encoder="gru").objectives == ("clm",)


@pytest.mark.parametrize(("users", "rows"), [(10, 16), (40_000, 100), (200_000, 256)])
def test_an_epoch_has_some_eighty_steps(users: int, rows: int) -> None:
    assert chosen(histories(users, 10), length=50).batch_size == rows


def test_beyond_a_hundred_thousand_items_the_loss_is_sampled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert chosen(histories(10, 30)).objective_options == {"clm": {}}
    monkeypatch.setattr(modality, "LARGE", 40)
    assert chosen(histories(10, 30)).objective_options == {"clm": {"loss": "sampled"}}
    mixed = chosen(histories(10, 30), objectives=("clm", "contrast"))
    assert mixed.objective_options == {"clm": {"loss": "sampled"}}


def test_hidden_items_are_those_of_bert4rec() -> None:
    options = chosen(histories(10, 30), objectives=("mlm",)).objective_options["mlm"]
    assert options == {
        "mask_ratio": 0.2,
        "mask_share": 1.0,
        "random_share": 0.0,
        "last_share": 0.1,
    }


def test_what_a_user_gives_comes_first() -> None:
    config = PretrainConfig(sources=["x.csv"], out="run", budget="5min")
    plan = decide(config, histories(100, 10), InteractionsModality())
    assert (plan.optimizer, plan.learning_rate) == ({"name": "adamw"}, 2e-3)
    assert plan.encoder_options == {"layers": 2, "width": 64, "heads": 2, "dropout": 0.5}
    assert (plan.batch_size, plan.most_epochs) == (16, 40)
    given: dict[str, Any] = {
        "optimizer": {"learning_rate": 1e-3},
        "encoder_options": {"width": 32},
        "batch_size": 8,
    }
    config = PretrainConfig(sources=["x.csv"], out="run", budget="5min", **given)
    plan = decide(config, histories(100, 10), InteractionsModality())
    assert (plan.optimizer, plan.learning_rate, plan.batch_size) == ({"name": "adamw"}, 1e-3, 8)
    assert plan.encoder_options["width"] == 32
    config = PretrainConfig(sources=["x.csv"], out="run", encoder="gru")
    plan = decide(config, histories(100, 10), InteractionsModality())
    assert plan.encoder_options == {"layers": 2, "width": 64, "dropout": 0.5}
