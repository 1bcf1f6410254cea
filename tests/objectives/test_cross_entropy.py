"""Cross-entropy a few rows at a time: value and gradient are those of the library's function."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from headstart.objectives import cross_entropy
from headstart.objectives.losses import token_loss


def scores(count: int = 7, classes: int = 11) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(count, classes, generator=random)
    return logits, torch.randint(classes, (count,), generator=random)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 2, 7, 100])
def test_loss_gradient_and_accuracy_are_those_of_the_whole(dtype, rows, monkeypatch):
    monkeypatch.setattr(cross_entropy, "_CHUNK", 11 * rows)
    logits, targets = scores()
    ours, theirs = (logits.to(dtype).requires_grad_() for _ in range(2))
    found = token_loss(ours, targets)
    wide = torch.promote_types(dtype, torch.float32)
    expected = F.cross_entropy(theirs.to(wide), targets)
    (3 * found["loss"]).backward()
    (3 * expected).backward()
    torch.testing.assert_close(found["loss"], expected)
    assert ours.grad.dtype == dtype
    near = {"atol": 1e-3, "rtol": 1e-2} if dtype == torch.bfloat16 else {}
    torch.testing.assert_close(ours.grad, theirs.grad, **near)
    right = (theirs.argmax(1) == targets).to(wide).mean()
    torch.testing.assert_close(found["accuracy"], right)


def test_the_gradient_may_be_computed_twice_or_not_at_all():
    logits, targets = scores()
    logits.requires_grad_()
    loss = token_loss(logits, targets)["loss"]
    once = torch.autograd.grad(loss, logits, retain_graph=True)[0].clone()
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], once)
    with torch.no_grad():
        assert torch.equal(token_loss(logits, targets)["loss"], loss)


def test_the_logits_themselves_are_left_as_they_are():
    logits, targets = scores()
    before = logits.clone()
    token_loss(logits.requires_grad_(), targets)["loss"].backward()
    assert torch.equal(logits.detach(), before)


def test_a_large_score_neither_overflows_nor_hides_what_is_not_a_number():
    logits = torch.tensor([[1e4, 0.0], [0.0, -1e4]], requires_grad=True)
    found = token_loss(logits, torch.tensor([1, 0]))
    torch.testing.assert_close(found["loss"], torch.tensor(5000.0))
    assert token_loss(torch.tensor([[torch.nan, 0.0]]), torch.tensor([1]))["loss"].isnan()


def test_a_compiled_loss_is_the_same():
    logits, targets = scores()
    plain = token_loss(logits, targets)
    compiled = torch.compile(token_loss, backend="eager")(logits, targets)
    torch.testing.assert_close(compiled["loss"], plain["loss"])
    torch.testing.assert_close(compiled["accuracy"], plain["accuracy"])
