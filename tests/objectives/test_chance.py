"""An accuracy stands beside what guessing reaches, and a network that knows nothing has no more."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_precision import built
from torch import Tensor

from headstart.objectives import OBJECTIVES
from headstart.objectives.adversarial import two_players
from headstart.objectives.losses import accuracy, info_nce, majority, queue_nce, token_loss
from headstart.objectives.mixture import Mixture
from headstart.objectives.replaced import detection
from headstart.seeding import generator

#: Figures that are shares of right answers.
SHARES = ("accuracy", "agreement")


def test_equal_scores_count_as_a_guess_among_them() -> None:
    scores = torch.tensor([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0], [0.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
    targets = torch.tensor([0, 0, 1, 0])
    expected = (1 / 2 + 0 + 1 / 3 + 1) / 4
    assert accuracy(scores, targets).item() == pytest.approx(expected)
    assert token_loss(scores, targets)["accuracy"].item() == pytest.approx(expected)
    assert accuracy(torch.full((2, 3), torch.nan), targets[:2]).item() == 0


def test_an_output_layer_of_zeros_is_right_as_often_as_chance() -> None:
    found = token_loss(torch.zeros(60, 6), torch.arange(60) % 6)
    assert found["accuracy"].item() == pytest.approx(1 / 6)
    assert found["accuracy_chance"].item() == pytest.approx(1 / 6)


def test_vectors_that_are_all_equal_tell_nothing_apart() -> None:
    same = torch.ones(8, 4)
    for found in (
        info_nce(same, same, 0.1),
        queue_nce(same, same, torch.nn.functional.normalize(same[:7]), 0.1),
    ):
        assert found["accuracy"].item() == pytest.approx(1 / 8)
        assert found["accuracy_chance"].item() == pytest.approx(1 / 8)


def test_a_logit_of_zero_is_right_half_the_time() -> None:
    zeros = torch.zeros(8, 1)
    assert two_players(zeros, zeros, zeros)["accuracy"].item() == 0.5
    forged = torch.arange(8)[:, None] < 2
    found = detection(zeros, forged, torch.ones_like(forged))
    assert found["accuracy"].item() == 0.5
    assert found["accuracy_chance"].item() == 0.75


def test_the_majority_is_the_share_of_the_most_frequent_target() -> None:
    assert majority(torch.tensor([3, 1, 3, 0]), 5).item() == 0.5


def figures(objective: Any, corrupted: dict[str, Tensor]) -> dict[str, float]:
    with torch.random.fork_rng(), torch.no_grad():
        return {name: value.item() for name, value in objective(corrupted).items()}


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_an_objective_tells_the_chance_level_which_zeros_do_not_exceed(
    name: str, tmp_path: Any
) -> None:
    objective, batch = built(name, tmp_path)
    objective.train()
    figures(objective, objective.corrupt(batch, generator(0)))  # fills queues
    with torch.no_grad():
        for tensor in objective.parameters():
            tensor.zero_()
    objective.eval()
    found = figures(objective, objective.corrupt(batch, generator(1)))
    for figure in [key for key in found if key.endswith(SHARES)]:
        assert 0 < found[f"{figure}_chance"] <= 1
        assert found[figure] <= found[f"{figure}_chance"] + 1e-6, figure


def pairs(name: str, rows: int, single: int) -> tuple[Any, dict[str, Tensor]]:
    """Return an objective of pairs, and rows of two sentences of which some have only one."""
    objective, batch = built(name, None)
    batch = {key: tensor.repeat(-(-rows // len(tensor)), 1)[:rows] for key, tensor in batch.items()}
    starts = torch.zeros_like(batch["mask"])
    starts[:, [1, 5, 9]] = True
    starts[:single, 5] = False
    return objective, {**batch, "sentence_starts": starts}


@pytest.mark.parametrize(("single", "chance"), [(0, 0.5), (32, 0.75), (64, 1.0)])
def test_next_sentence_is_guessed_by_the_rows_that_have_but_one(single: int, chance: float) -> None:
    objective, batch = pairs("nsp", 64, single)
    found = figures(objective, objective.corrupt(batch, generator(0)))
    assert found["accuracy_chance"] == pytest.approx(chance)


@pytest.mark.parametrize("name", ["nsp", "sop", "bert", "albert"])
def test_rows_of_a_single_sentence_are_warned_of(name: str) -> None:
    objective, batch = pairs(name, 64, 12)
    assert objective.warning(batch) is None
    objective, batch = pairs(name, 64, 32)
    assert "50% of the rows hold fewer than two whole sentences" in objective.warning(batch)


def test_a_mixture_warns_for_its_members() -> None:
    objective, batch = pairs("nsp", 64, 64)
    mixed = Mixture({"mlm": built("mlm", None)[0], "nsp": objective}, {"mlm": 1.0, "nsp": 1.0})
    assert "100% of the rows" in (mixed.warning(batch) or "")
    assert Mixture({"mlm": built("mlm", None)[0]}, {"mlm": 1.0}).warning(batch) is None
