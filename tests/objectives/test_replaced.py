"""ELECTRA: what is forged, both losses by hand, and where gradients go."""

from __future__ import annotations

import math

import language
import lesson
import pytest
import torch
from frozen import forgeries
from tokens import MASK, Processor, TinyContext, cross_entropy, in_context, make_batch

from headstart.encoders.opening import create_encoder
from headstart.errors import HeadstartError
from headstart.objectives.building import build_objective
from headstart.objectives.replaced import Electra, detection, sample
from headstart.seeding import generator


@pytest.fixture
def objective() -> Electra:
    torch.manual_seed(0)
    return Electra(TinyContext(), Processor, Electra.Options(mask_ratio=0.3, generator=0.5))


def test_corruption_is_pure_and_hides_most_of_the_chosen(objective):
    batch = make_batch(rows=400)
    corrupted = lesson.pure(objective, batch)
    chosen = corrupted["targets"] >= 0
    assert torch.equal(chosen.sum(1), (batch["mask"].sum(1) * 0.3).round().long())
    hidden = corrupted["input_ids"] == MASK
    assert torch.equal(hidden & ~chosen, torch.zeros_like(hidden))
    assert hidden[chosen].float().mean().item() == pytest.approx(0.85, abs=0.02)
    kept = ~hidden
    assert torch.equal(corrupted["input_ids"][kept], batch["input_ids"][kept])


def test_a_draw_follows_the_softmax():
    logits = torch.tensor([[0.0, math.log(2), math.log(5), -math.inf]])
    uniform = torch.linspace(0, 1, 8001)[:-1]
    drawn = sample(logits.expand(len(uniform), -1), uniform)
    share = torch.bincount(drawn, minlength=4) / len(uniform)
    torch.testing.assert_close(share, torch.tensor([1, 2, 5, 0]) / 8, atol=1e-3, rtol=0)


def test_loss_and_gradients_equal_the_definition_written_out(objective):
    batch = objective.corrupt(make_batch(rows=4, length=12), generator(7))
    encoder, forger = objective.encoder, objective.generator
    seen = batch["mask"][:, None, :] | torch.eye(12, dtype=torch.bool)
    seen = seen.expand(4, 12, 12)
    vectors = encoder.table(batch["input_ids"])
    narrow = vectors @ forger.enter.weight.T + forger.enter.bias
    original, forged, losses = batch["input_ids"].clone(), batch["input_ids"].clone(), []
    for row in range(4):
        for index in range(12):
            target = int(batch["targets"][row, index])
            if target < 0:
                continue
            hidden = forger.leave(in_context(forger.network, narrow, row, index, seen))
            scores = encoder.table.weight @ hidden + forger.head.decoder.bias
            losses.append(cross_entropy(scores, target))
            original[row, index] = target
            probabilities = scores.detach().softmax(0).tolist()
            total, token = probabilities[0], 0
            while total <= float(batch["uniform"][row, index]) * (1 - 1e-6) and token < 39:
                token += 1
                total += probabilities[token]
            forged[row, index] = token
    vectors, found = encoder.table(forged), []
    for row in range(4):
        for index in range(12):
            if not batch["mask"][row, index]:
                continue
            verdict = objective.head(in_context(encoder, vectors, row, index, seen)).squeeze()
            real = forged[row, index] == original[row, index]
            found.append(-torch.log(torch.sigmoid(-verdict if real else verdict)))
    expected = torch.stack(losses).mean() + 50 * torch.stack(found).mean()
    lesson.same_gradients(objective(batch)["loss"], expected, objective)


def test_a_forgery_that_hits_the_original_counts_as_real(objective):
    batch = objective.corrupt(make_batch(rows=8), generator(1))
    with torch.no_grad():  # a generator that is always right
        objective.generator.head.decoder.bias.fill_(-1e4)
        objective.generator.head.decoder.bias[9] = 1e4
    batch["targets"] = torch.where(batch["targets"] >= 0, 9, -100)
    result = objective(batch)
    assert result["found"].item() == 0.0
    quiet = detection(torch.full((8, 40), -20.0), torch.zeros(8, 40).bool(), batch["mask"])
    assert quiet["loss"].item() < 1e-6
    assert quiet["accuracy"].item() == 1.0


def test_no_gradient_flows_through_the_draw(objective):
    batch = objective.corrupt(make_batch(rows=8), generator(2))
    result = objective(batch)
    forger = [p for n, p in objective.generator.named_parameters() if "decoder.weight" not in n]
    assert torch.autograd.grad(
        result["discriminator"], forger, retain_graph=True, allow_unused=True
    ) == (None,) * len(forger)
    discriminator = [*objective.head.parameters(), *objective.encoder.mix.parameters()]
    assert torch.autograd.grad(
        result["generator"], discriminator, retain_graph=True, allow_unused=True
    ) == (None,) * len(discriminator)


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_every_parameter_moves_and_the_generator_is_a_quarter_as_wide(kind, text_processor):
    size = {"layers": 1, "width": 32, "heads": 4}
    encoder = create_encoder(kind, size, text_processor, length=32, seed=0)
    objective = build_objective({"electra": 1.0}, {}, encoder, text_processor)
    assert objective.generator.network.width == 8
    assert objective.generator.head.decoder.weight is encoder.token_embedding.weight
    batch = text_processor.collate_texts(["the quick brown fox jumps over the lazy dog"] * 4, 32)
    objective(objective.corrupt(batch, generator(0)))["loss"].backward()
    unused = [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.any()]
    assert unused == []


def test_an_average_of_words_is_refused_with_what_it_can_do(text_processor):
    light = create_encoder("light", {"width": 8}, text_processor, length=32, seed=0)
    with pytest.raises(HeadstartError, match=r"'electra' needs narrower and order.*mlm"):
        build_objective({"electra": 1.0}, {}, light, text_processor)


def test_on_unseen_articles_its_features_find_more_forgeries_than_untrained_ones():
    objective = language.build({"electra": 1.0}, ngrams=(2,))
    assert language.learns(objective, 120, rate=5e-3, measure=forgeries) > 0.06
