"""Each loss and its gradient against sums done record by record in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from headstart.downstream.semi_supervised.losses import (
    annealed_loss,
    fixmatch_loss,
    mean_teacher_loss,
    ramp,
    uda_loss,
)

TARGET = torch.tensor([[4.0, 0.0, 0.5], [0.2, 0.1, 0.0], [0.0, 1.5, 0.0], [-3.0, 0.0, 5.0]])
GUESSED = torch.tensor([[1.0, 0.5, 0.0], [0.0, 2.0, 0.3], [0.4, 0.1, 0.2], [0.0, 0.0, 0.1]])


def softmax(row: np.ndarray) -> np.ndarray:
    powers = np.exp(row - row.max())
    return powers / powers.sum()


def numeric_gradient(loss: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    found = np.zeros_like(at)
    for index in np.ndindex(*at.shape):
        step = np.zeros_like(at)
        step[index] = 1e-5
        found[index] = (loss(at + step) - loss(at - step)) / 2e-5
    return found


def assert_same(
    ours: Callable[[Tensor, Tensor], Tensor], naive: Callable[[np.ndarray, np.ndarray], float]
) -> None:
    """The value, the gradient of what is guessed, and none through the target."""
    target = TARGET.double().requires_grad_()
    guessed = GUESSED.double().requires_grad_()
    loss = ours(target, guessed)
    loss.backward()
    first, second = TARGET.double().numpy(), GUESSED.double().numpy()
    assert loss.item() == pytest.approx(naive(first, second))
    wanted = numeric_gradient(lambda at: naive(first, at), second)
    assert guessed.grad is not None
    assert np.abs(wanted).max() > 1e-3
    np.testing.assert_allclose(guessed.grad.numpy(), wanted, atol=1e-7)
    assert target.grad is None or not target.grad.any()


def test_fixmatch_learns_the_weak_views_label_where_it_is_sure_over_all_records() -> None:
    def naive(weak: np.ndarray, strong: np.ndarray) -> float:
        total = 0.0
        for one, other in zip(weak, strong, strict=True):
            chances = softmax(one)
            if chances.max() >= 0.9:
                total -= np.log(softmax(other)[chances.argmax()])
        return total / len(weak)

    assert_same(lambda weak, strong: fixmatch_loss(weak, strong, 0.9)[0], naive)
    assert fixmatch_loss(TARGET, GUESSED, 0.9)[1].tolist() == [True, False, False, True]


def test_uda_compares_with_the_sharpened_target_where_the_clean_view_is_sure() -> None:
    def naive(clean: np.ndarray, noisy: np.ndarray) -> float:
        total = 0.0
        for one, other in zip(clean, noisy, strict=True):
            if softmax(one).max() >= 0.6:
                target = softmax(one / 0.4)
                total += float((target * np.log(target / softmax(other))).sum())
        return total / len(clean)

    assert_same(lambda clean, noisy: uda_loss(clean, noisy, 0.6, 0.4)[0], naive)
    assert uda_loss(TARGET, GUESSED, 0.6, 0.4)[1].tolist() == [True, False, True, True]


def test_the_mean_teachers_loss_is_the_mean_square_of_all_probabilities() -> None:
    def naive(teacher: np.ndarray, student: np.ndarray) -> float:
        squares = [(softmax(a) - softmax(b)) ** 2 for a, b in zip(teacher, student, strict=True)]
        return float(np.mean(squares))

    assert_same(mean_teacher_loss, naive)


@pytest.mark.parametrize(
    ("schedule", "share"), [("linear", 0.3), ("log", 1 - np.exp(-1.5)), ("exp", np.exp(-3.5))]
)
def test_annealing_spares_the_labels_that_are_known_better_than_the_threshold(
    schedule: str, share: float
) -> None:
    labels = [0, 1, 1, 2]
    most = share * (1 - 1 / 3) + 1 / 3
    losses = [
        -np.log(softmax(row)[label])
        for row, label in zip(TARGET.numpy(), labels, strict=True)
        if softmax(row)[label] <= most
    ]
    assert 0 < len(losses) < 4
    found = annealed_loss(TARGET, torch.tensor(labels), 0.3, schedule)
    assert found.item() == pytest.approx(float(np.mean(losses)), rel=1e-5)


def test_without_annealing_or_at_its_end_all_labels_count_by_their_weights() -> None:
    labels, weights = torch.tensor([0, 1, 1, 2]), torch.tensor([1.0, 3.0, 0.5])
    plain = torch.nn.functional.cross_entropy(TARGET, labels, weights)
    for schedule in ("none", "linear", "exp"):
        found = annealed_loss(TARGET, labels, 1.0, schedule, weights)
        assert found.item() == pytest.approx(plain.item(), rel=1e-5)


def test_with_every_label_known_too_well_annealing_leaves_nothing() -> None:
    sure = torch.tensor([[9.0, 0.0]], requires_grad=True)
    loss = annealed_loss(sure, torch.tensor([0]), 0.0, "linear")
    loss.backward()
    assert loss.item() == 0.0
    assert sure.grad is not None
    assert not sure.grad.any()


def test_the_ramp_climbs_from_almost_nothing_to_one() -> None:
    assert ramp(0.0, 0.2) == pytest.approx(np.exp(-5))
    assert ramp(0.1, 0.2) == pytest.approx(np.exp(-1.25))
    assert ramp(0.2, 0.2) == ramp(0.9, 0.2) == ramp(0.0, 0.0) == 1.0
