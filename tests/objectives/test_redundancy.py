"""Barlow Twins and VICReg: the losses by hand, and what makes them small."""

from __future__ import annotations

import math

import pytest
import torch
from digits import TinyConv, build, score, teach

from headstart.objectives.redundancy import BarlowTwins, VICReg, barlow_twins, vicreg
from headstart.seeding import generator


def naive_barlow(first, second, weight, epsilon):
    """Equation 1 of Barlow Twins, entry by entry of the correlation."""
    count, width = first.shape
    total = torch.zeros(())
    for i in range(width):
        for j in range(width):
            a, b = first[:, i], second[:, j]
            a, b = a - a.sum() / count, b - b.sum() / count
            c = (a * b).sum() / ((a * a).sum() * (b * b).sum()).sqrt()
            total = total + ((1 - c) ** 2 if i == j else weight * c**2)
    return total


def naive_vicreg(first, second, invariance, variance, covariance):
    """The three terms of VICReg's code, one number after the other."""
    count, width = first.shape
    total = (
        invariance
        * sum((a - b) ** 2 for a, b in zip(first.flatten(), second.flatten(), strict=True))
        / (count * width)
    )
    for view in (first, second):
        centred = view - view.sum(0) / count
        for i in range(width):
            for j in range(width):
                c = (centred[:, i] * centred[:, j]).sum() / (count - 1)
                if i != j:
                    total = total + covariance * c**2 / width
                elif (c + 1e-4).sqrt() < 1:
                    total = total + variance / 2 * (1 - (c + 1e-4).sqrt()) / width
    return total


def make_views(count=6, width=4):
    draw = torch.randn(2, count, width, generator=generator(0, "views"))
    second = 0.7 * draw[0] + 0.5 * draw[1]
    return draw[0].clone().requires_grad_(), second.clone().requires_grad_()


@pytest.mark.parametrize(
    ("ours", "theirs", "weights"),
    [(barlow_twins, naive_barlow, (0.0051, 0.0)), (vicreg, naive_vicreg, (25.0, 25.0, 1.0))],
)
def test_loss_and_gradients_equal_the_definition_written_out(ours, theirs, weights):
    views = make_views()
    one, other = ours(*views, *weights)["loss"], theirs(*views, *weights)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    for a, b in zip(
        torch.autograd.grad(one, views), torch.autograd.grad(other, views), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_equal_views_with_unrelated_dimensions_are_all_that_barlow_wants():
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert barlow_twins(signs, 3 * signs + 1, 0.0051)["loss"].item() == pytest.approx(0, abs=1e-4)
    assert barlow_twins(signs, signs.flip(1), 0.0051)["loss"] > 1.9


def test_vectors_that_are_all_alike_cost_vicreg_the_whole_variance_term():
    same = torch.ones(8, 4)
    results = vicreg(same, same, 25.0, 25.0, 1.0)
    assert results["loss"].item() == pytest.approx(25 * (1 - math.sqrt(1e-4)))
    assert results["invariance"] == results["covariance"] == 0


def test_a_single_row_is_no_reason_to_fail():
    row = torch.ones(1, 4)
    assert barlow_twins(row, row, 0.0051)["loss"].isfinite()
    assert vicreg(row, row, 25.0, 25.0, 1.0)["loss"].isfinite()


@pytest.mark.parametrize("kind", [BarlowTwins, VICReg])
def test_on_digits_it_beats_the_untrained_network(kind):
    objective = build(kind)
    before = score(TinyConv())
    teach(objective, 80)
    after = score(objective.encoder)
    print(f"{kind.__name__}: {before:.3f} untrained, {after:.3f} pre-trained")
    assert after > before + 0.06
