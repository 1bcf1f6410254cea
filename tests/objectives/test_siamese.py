"""BYOL and SimSiam: the loss by hand, where no gradient flows, and what happens if it does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from digits import TinyConv, build, make_batch, score, teach
from torch.nn import functional as F

from headstart.objectives import siamese
from headstart.objectives.losses import cosine_regression
from headstart.objectives.siamese import BYOL, SimSiam
from headstart.objectives.views import part, pooled
from headstart.seeding import generator


def naive_regression(predictions, targets):
    """Equation 2 of BYOL, row by row: the squared distance of the unit vectors."""
    total = torch.zeros(())
    for p, z in zip(predictions, targets, strict=True):
        total = total + ((p / p.norm() - z / z.norm()) ** 2).sum()
    return total / len(predictions)


def gradients(loss, objective):
    parameters = [p for p in objective.parameters() if p.requires_grad]
    return torch.autograd.grad(loss, parameters)


def same(ours, theirs):
    return all(
        torch.allclose(a, b, rtol=1e-3, atol=1e-5) for a, b in zip(ours, theirs, strict=True)
    )


def test_the_distance_and_its_gradient_equal_the_definition_written_out():
    draw = torch.randn(2, 5, 4, generator=generator(0)).requires_grad_()
    ours, theirs = cosine_regression(draw[0], draw[1]), naive_regression(*draw)
    torch.testing.assert_close(ours, theirs)
    (mine,), (full,) = (torch.autograd.grad(loss, draw) for loss in (ours, theirs))
    torch.testing.assert_close(mine[0], full[0])
    assert not mine[1].any()
    assert full[1].any()


@pytest.mark.parametrize("stopped", [True, False])
def test_simsiam_is_the_definition_with_a_stopped_gradient_and_only_so(stopped):
    objective, batch = build(SimSiam).train(), make_batch(16)
    corrupted = objective.corrupt(batch, generator(0))
    ours = objective(corrupted)["loss"]
    first, second = (objective.projection(v) for v in pooled(objective.encoder, corrupted))
    one, other = (z.detach() if stopped else z for z in (first, second))
    theirs = naive_regression(objective.predictor(first), other) / 2
    theirs = theirs + naive_regression(objective.predictor(second), one) / 2
    torch.testing.assert_close(ours, theirs)
    assert same(gradients(ours, objective), gradients(theirs, objective)) == stopped


def test_byol_predicts_the_copy_s_projection_of_the_other_view_both_ways():
    objective, batch = build(BYOL).train(), make_batch(16)
    with torch.no_grad():
        for parameter in objective.target_encoder.parameters():
            parameter.add_(0.05)
    corrupted = objective.corrupt(batch, generator(0))
    ours = objective(corrupted)["loss"]
    theirs = torch.zeros(())
    for seen, other in (("first", "second"), ("second", "first")):
        guess = objective.projection(objective.encoder.pool(part(corrupted, seen)))
        with torch.no_grad():
            pooled_other = objective.target_encoder.pool(part(corrupted, other))
            target = objective.target_projection(pooled_other)
        theirs = theirs + naive_regression(objective.predictor(guess), target)
    torch.testing.assert_close(ours, theirs)
    assert same(gradients(ours, objective), gradients(theirs, objective))


def test_the_target_follows_and_at_the_end_stands_still():
    objective = build(BYOL, momentum=0.5, memory=1e9).train()
    with torch.no_grad():
        objective.projection[0].weight.add_(1.0)
    before = objective.target_projection[0].weight.clone()
    objective.after_step(0.5)
    halfway = objective.target_projection[0].weight.clone()
    torch.testing.assert_close(halfway, before + 0.25)
    objective.after_step(1.0)
    assert torch.equal(objective.target_projection[0].weight, halfway)


def leaking(predictions, targets):
    """The same loss without the stopped gradient."""
    return (2 - 2 * F.cosine_similarity(predictions, targets, dim=1)).mean()


def spread_and_loss(seeds=3, steps=80):
    """Return SimSiam's spread of the last ten steps and the loss of all, both means of courses."""
    courses = [teach(build(SimSiam, s), steps, rows=64, rate=1e-2, seed=s) for s in range(seeds)]
    spread = np.mean([step["projection_spread"] for course in courses for step in course[-10:]])
    return spread, np.mean([step["loss"] for course in courses for step in course])


def test_simsiam_without_its_stopped_gradient_collapses(monkeypatch):
    spread, loss = spread_and_loss()
    monkeypatch.setattr(siamese, "cosine_regression", leaking)
    collapsed, lower = spread_and_loss()
    print(f"spread {spread:.3f}, collapsed {collapsed:.3f}; loss {loss:.3f}, collapsed {lower:.3f}")
    assert spread > 0.85
    assert collapsed < 0.65
    assert lower < 0.9 * loss


def test_byol_with_a_gradient_into_its_target_collapses(monkeypatch):
    def forward(self, batch):
        online = [self.projection(vectors) for vectors in pooled(self.encoder, batch)]
        return siamese._predict(self.predictor, online, online)

    healthy = teach(build(BYOL), 40, rows=64, rate=3e-3)[-1]
    monkeypatch.setattr(siamese, "cosine_regression", leaking)
    monkeypatch.setattr(BYOL, "forward", forward)
    collapsed = teach(build(BYOL), 40, rows=64, rate=3e-3)[-1]
    assert healthy["projection_spread"] > 0.6
    assert collapsed["projection_spread"] < 0.15


@pytest.mark.parametrize("kind", [BYOL, SimSiam])
def test_on_digits_it_beats_the_untrained_network(kind):
    objective = build(kind)
    before = score(TinyConv())
    teach(objective, 200, rows=64)
    after = score(objective.encoder)
    print(f"{kind.__name__}: {before:.3f} untrained, {after:.3f} pre-trained")
    assert after > before + 0.06
