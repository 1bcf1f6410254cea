"""Losses with shared negatives: by hand, against a naive reference, and equal to the full loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from tokens import KNOWN, Processor, TinyContext, make_batch
from torch import nn

from headstart.errors import HeadstartError
from headstart.modalities import Vocabulary
from headstart.objectives import OBJECTIVES, vocabulary
from headstart.objectives.building import check_objectives
from headstart.objectives.heads import TokenHead, loss_at_targets
from headstart.objectives.vocabulary import (
    CALIBRATION,
    LARGE,
    POWER,
    Negatives,
    VocabularyLoss,
    VocabularyOptions,
    gbce,
    sampled_softmax,
)
from headstart.seeding import generator

KINDS = ("sampled", "gbce")


def counted(*counts: int) -> Vocabulary:
    return Vocabulary(size=len(counts), pad_id=0, special_ids=(0, 1), counts=np.array(counts))


def built(name: str, **options: Any) -> Any:
    kind = OBJECTIVES[name]
    return kind(TinyContext(), Processor(), kind.Options(**options))


def problem(seed: int = 0, classes: int = 9) -> tuple[TokenHead, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    head = TokenHead(nn.Embedding(classes, 4), transform=False)
    nn.init.normal_(head.decoder.bias)
    targets = torch.randint(classes, (3, 5), generator=generator(seed))
    targets[0, 1:3] = -100
    return head, torch.randn(3, 5, 4, requires_grad=True), targets


def naive(
    kind: str,
    head: TokenHead,
    vectors: torch.Tensor,
    targets: torch.Tensor,
    negatives: list[int],
    log_chance: torch.Tensor,
    rate: float,
) -> torch.Tensor:
    """The definition, one target and one negative at a time."""
    losses = []
    for vector, target in zip(vectors.flatten(0, 1), targets.flatten().tolist(), strict=True):
        if target == -100:
            continue
        scores = head(vector.float())
        others = [each for each in negatives if each != target]
        if kind == "sampled":
            corrected = scores - log_chance
            total = sum((corrected[each].exp() for each in others), scores[target].exp())
            losses.append(total.log() - scores[target])
        else:
            beta = rate * (CALIBRATION * (1 - 1 / rate) + 1 / rate)
            loss = -beta * torch.sigmoid(scores[target]).log()
            loss = loss - sum((1 - torch.sigmoid(scores[each])).log() for each in others)
            losses.append(loss / (len(negatives) + 1))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", KINDS)
def test_value_and_gradients_are_those_of_the_definition(kind: str, precision: str) -> None:
    head, vectors, targets = problem()
    loss = VocabularyLoss(
        counted(0, 0, 50, 1, 9, 0, 3, 3, 20), VocabularyOptions(loss=kind, negatives=4)
    )
    batch = loss.draw({"targets": targets}, generator(3))
    drawn = batch["negatives"].tolist()
    assert set(drawn) & set(targets.flatten().tolist())  # so that hits are tested
    with torch.autocast("cpu", enabled=precision == "bf16"):
        given = vectors.bfloat16() if precision == "bf16" else vectors
        found = loss(head, given, batch)["loss"]
    assert found.dtype == torch.float32
    assert loss.negatives is not None
    rate = len(drawn) / (loss.negatives.candidates - 1)
    expected = naive(kind, head, given, targets, drawn, loss.negatives.log_chance, rate)
    torch.testing.assert_close(found, expected)
    leaves = [vectors, head.decoder.weight, head.decoder.bias]
    grads = [torch.autograd.grad(each, leaves) for each in (found, expected)]
    near: dict[str, Any] = {"atol": 2e-3, "rtol": 2e-2} if precision == "bf16" else {}
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs, **near)


def test_a_tiny_case_by_hand() -> None:
    vectors, rows = torch.tensor([[1.0]]), torch.tensor([[2.0], [2.0], [0.0], [1.0]])
    targets, negatives = torch.tensor([4]), torch.tensor([4, 6, 7])
    chances = torch.tensor([0.5, 0.25, 1.0])
    # Its own negative is left out: exp(2) against exp(0)/0.25 and exp(1)/1.
    own, others = math.e**2, 1 / 0.25 + math.e
    found = sampled_softmax(vectors, rows, torch.zeros(4), targets, negatives, chances.log())
    assert found["loss"].item() == pytest.approx(-math.log(own / (own + others)), rel=1e-6)
    assert found["accuracy"].item() == 1.0
    assert found["accuracy_chance"].item() == 0.25

    def logistic(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    rate = 0.3
    beta = rate * (0.75 * (1 - 1 / rate) + 1 / rate)
    assert beta == pytest.approx(0.475)
    by_hand = -beta * math.log(logistic(2)) - math.log(1 - logistic(0)) - math.log(1 - logistic(1))
    found = gbce(vectors, rows, torch.zeros(4), targets, negatives, rate)
    assert found["loss"].item() == pytest.approx(by_hand / 4, rel=1e-6)


def test_the_sum_below_the_fraction_is_on_average_that_of_the_full_softmax() -> None:
    torch.manual_seed(0)
    negatives = Negatives(counted(0, 0, 50, 1, 9, 2, 3, 3, 20), 3, uniform=False)
    logits, target, draw = torch.randn(9), 4, generator(0)
    sums = []
    for _ in range(4000):
        drawn = negatives.draw(draw)
        others = drawn[drawn != target]
        sums.append(logits[target].exp() + (logits - negatives.log_chance)[others].exp().sum())
    found = torch.stack(sums)
    full = logits[2:].exp().sum()  # the first two are special, and never occur
    assert abs(found.mean() - full) < 3 * found.std() / 4000**0.5


def test_all_ids_as_negatives_give_the_full_loss() -> None:
    head, vectors, targets = problem()
    flat = targets.flatten()
    where = flat.ne(-100).nonzero().squeeze(1)
    every = torch.arange(9)
    rows, bias = head.rows(torch.cat([flat[where], every]))
    certain = torch.zeros(9)
    found = sampled_softmax(vectors.flatten(0, 1)[where], rows, bias, flat[where], every, certain)
    full = loss_at_targets(head, vectors, targets)
    torch.testing.assert_close(found["loss"], full["loss"])
    leaves = [vectors, head.decoder.weight, head.decoder.bias]
    for ours, theirs in zip(
        torch.autograd.grad(found["loss"], leaves),
        torch.autograd.grad(full["loss"], leaves),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)
    loss = VocabularyLoss(counted(*[3] * 9), VocabularyOptions(loss="sampled", negatives=9))
    assert loss.kind == "full"
    assert loss.draw({"targets": targets}, generator(0)).keys() == {"targets"}


def test_few_negatives_find_the_same_probabilities_as_all_ids() -> None:
    shares = torch.tensor([0.0, 0.0, 0.55, 0.25, 0.1, 0.05, 0.03, 0.02])
    vocabulary = counted(0, 0, *(shares[2:] * 1000).long().tolist())
    loss = VocabularyLoss(vocabulary, VocabularyOptions(loss="sampled", negatives=3))
    head = TokenHead(nn.Embedding(8, 1), transform=False)
    nn.init.zeros_(head.decoder.weight)
    optimizer = torch.optim.Adam([head.decoder.bias], lr=0.05)
    random = generator(0)
    for step in range(1500):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 1500)
        batch = {"targets": torch.multinomial(shares, 256, True, generator=random)[None]}
        optimizer.zero_grad()
        loss(head, torch.zeros(1, 256, 1), loss.draw(batch, random))["loss"].backward()
        optimizer.step()
    found = head.decoder.bias.detach()[2:].softmax(0)
    torch.testing.assert_close(found, shares[2:], atol=0.02, rtol=0.15)


def test_ids_are_drawn_by_their_counts_and_special_ones_only_where_they_occur() -> None:
    vocabulary = counted(0, 4, 99, 0, 9)
    negatives = Negatives(vocabulary, 1, uniform=False)
    assert negatives.candidates == 4
    random = generator(0)
    often = np.bincount([int(negatives.draw(random)) for _ in range(8000)], minlength=5)
    weights = np.array([0, 5, 100, 1, 10]) ** POWER
    np.testing.assert_allclose(often / 8000, weights / weights.sum(), atol=0.02)
    shares = weights[1:] / weights.sum()
    np.testing.assert_allclose(negatives.log_chance[1:].exp(), shares, rtol=1e-4)
    three = Negatives(vocabulary, 3, uniform=False)
    np.testing.assert_allclose(three.log_chance[1:].exp(), 1 - (1 - shares) ** 3, rtol=1e-4)
    even = Negatives(vocabulary, 2, uniform=True)
    np.testing.assert_allclose(even.log_chance[1:].exp(), 1 - 0.75**2, rtol=1e-4)


def test_negatives_are_distinct_and_in_order() -> None:
    drawn = Negatives(KNOWN, 64, uniform=False).draw(generator(0))
    assert drawn.tolist() == sorted(set(drawn.tolist()))
    assert drawn.min() >= len(KNOWN.special_ids)


@pytest.mark.parametrize("name", ["clm", "mlm"])
@pytest.mark.parametrize("kind", KINDS)
def test_objectives_take_their_draws_from_the_generator(name: str, kind: str) -> None:
    objective = built(name, loss=kind, negatives=8)
    batch = make_batch(4)
    once, again = (objective.corrupt(batch, generator(5)) for _ in range(2))
    for key, value in once.items():
        assert torch.equal(value, again[key])
    assert not torch.equal(once["negatives"], objective.corrupt(batch, generator(6))["negatives"])
    assert next(iter(once)) == next(iter(batch))
    found = objective(once)
    found["loss"].backward()
    assert found["loss"].isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in objective.parameters())
    # What is drawn is not stored, and an older checkpoint fits.
    assert not [key for key in objective.state_dict() if "loss" in key or "negatives" in key]


def test_the_corruption_is_the_same_whatever_the_loss() -> None:
    batch = make_batch(4)
    plain, other = (
        built("mlm", **options).corrupt(batch, generator(5))
        for options in ({}, {"loss": "sampled", "negatives": 8})
    )
    for key, value in plain.items():
        assert torch.equal(value, other[key])


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_without_targets_is_harmless(kind: str) -> None:
    head, vectors, targets = problem()
    loss = VocabularyLoss(counted(*[3] * 9), VocabularyOptions(loss=kind, negatives=4))
    batch = loss.draw({"targets": torch.full_like(targets, -100)}, generator(0))
    found = loss(head, vectors, batch)["loss"]
    assert found.item() == 0.0
    found.backward()
    assert vectors.grad is not None
    assert torch.equal(vectors.grad, torch.zeros_like(vectors))


def test_a_target_that_is_never_drawn_is_learned_all_the_same() -> None:
    head, vectors, targets = problem()
    loss = VocabularyLoss(counted(0, 0, *[9] * 7), VocabularyOptions(loss="sampled", negatives=4))
    batch = loss.draw({"targets": torch.ones_like(targets)}, generator(0))
    assert loss(head, vectors, batch)["loss"].isfinite()


def test_auto_is_full_for_a_usual_vocabulary() -> None:
    usual = Vocabulary(size=LARGE, pad_id=0, special_ids=(0,))
    large = Vocabulary(size=LARGE + 1, pad_id=0, special_ids=(0,))
    assert VocabularyLoss(usual, VocabularyOptions()).kind == "full"
    assert VocabularyLoss(large, VocabularyOptions()).kind == "sampled"
    assert VocabularyLoss(large, VocabularyOptions(loss="full")).kind == "full"


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(HeadstartError, match="loss"):
        check_objectives(["clm"], {"clm": {"loss": "bpr"}})


@pytest.mark.parametrize("name", ["clm", "mlm"])
def test_gradients_of_the_rows_alone_are_those_of_the_table(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert built(name, loss="sampled", negatives=8).keep_rows() == []  # of a small table
    monkeypatch.setattr(vocabulary, "LARGE", 3)
    grads = []
    for rows in (False, True):
        torch.manual_seed(0)
        objective = built(name, loss="sampled", negatives=8)
        table = objective.encoder.token_embedding.weight
        if rows:
            assert objective.keep_rows() == [table]
        objective(objective.corrupt(make_batch(2), generator(1)))["loss"].backward()
        assert table.grad.is_sparse == rows
        grads.append(table.grad.to_dense() if rows else table.grad)
    torch.testing.assert_close(*grads)
    assert built(name, loss="full").keep_rows() == []


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_full_loss_in_parts_is_that_of_the_whole(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, vectors, targets = problem()
    found = []
    for most in (10**9, 20):
        monkeypatch.setattr("headstart.objectives.heads._MOST", most)
        monkeypatch.setattr("headstart.objectives.heads._PART", 45)
        with torch.autocast("cpu", enabled=precision == "bf16"):
            results = loss_at_targets(head, vectors, targets)
        leaves = [vectors, head.decoder.weight, head.decoder.bias]
        grads = torch.autograd.grad(results["loss"], leaves)
        found.append([*results.values(), *grads])
        scaled = torch.autograd.grad(3 * loss_at_targets(head, vectors, targets)["loss"], leaves)
        if precision == "fp32":
            for once, thrice in zip(grads, scaled, strict=True):
                torch.testing.assert_close(3 * once, thrice)
    near: dict[str, Any] = {"atol": 1e-2, "rtol": 2e-2} if precision == "bf16" else {}
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(parts, whole, **near)
    with torch.no_grad():
        alone = loss_at_targets(head, vectors, targets)["loss"]
        torch.testing.assert_close(alone, found[0][0], atol=1e-2, rtol=1e-3)
