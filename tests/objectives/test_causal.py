"""Causal modeling: targets, loss and gradient by hand, and no look to the right."""

from __future__ import annotations

import pytest
import torch

from headstart.encoders.opening import create_encoder
from headstart.objectives.building import build_objective
from headstart.seeding import generator


def build(processor, name, **options):
    encoder = create_encoder(
        name, {"layers": 2, "width": 32, "heads": 2, **options}, processor, length=32, seed=0
    )
    return build_objective({"clm": 1.0}, {}, encoder, processor).eval()


def make_batch(processor, rows=3, length=16):
    ids = torch.randint(5, processor.vocabulary.size, (rows, length), generator=generator(0))
    return {"input_ids": ids, "mask": torch.ones_like(ids, dtype=torch.bool)}


@pytest.mark.parametrize("name", ["gpt", "modernbert"])
def test_loss_and_gradients_equal_the_definition_written_out(text_processor, name):
    objective = build(text_processor, name)
    batch = objective.corrupt(make_batch(text_processor), generator(1))
    losses = []
    for row in batch["input_ids"]:
        for index in range(len(row) - 1):
            # The prefix alone, so that nothing to its right can matter.
            prefix = {"input_ids": row[None, : index + 1]}
            prefix["mask"] = torch.ones_like(prefix["input_ids"], dtype=torch.bool)
            seen = torch.ones(1, index + 1, index + 1, dtype=torch.bool).tril()
            tokens = objective.encoder.contextualize(objective.encoder.embed(prefix), seen)
            scores = objective.head(tokens[0, -1])
            losses.append(torch.logsumexp(scores, 0) - scores[row[index + 1]])
    expected = torch.stack(losses).mean()
    result = objective(batch)["loss"]
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)
    table = objective.encoder.token_embedding.weight
    torch.testing.assert_close(
        *(torch.autograd.grad(value, table)[0] for value in (result, expected)),
        rtol=1e-3,
        atol=1e-5,
    )


@pytest.mark.parametrize("name", ["gpt", "modernbert"])
def test_a_later_token_changes_nothing_before_it(text_processor, name):
    objective = build(text_processor, name)
    batch = make_batch(text_processor)
    changed = {**batch, "input_ids": batch["input_ids"].clone()}
    changed["input_ids"][:, 10] = 5 + (changed["input_ids"][:, 10] - 4) % 20

    def vectors(b):
        from headstart.encoders.visibility import causal

        return objective.encoder.contextualize(objective.encoder.embed(b), causal(None, b))

    assert torch.equal(vectors(batch)[:, :10], vectors(changed)[:, :10])
    assert not torch.allclose(vectors(batch)[:, 10:], vectors(changed)[:, 10:])


def test_the_last_token_of_a_document_predicts_nothing(text_processor):
    objective = build(text_processor, "gpt")
    batch = make_batch(text_processor, rows=1, length=6)
    batch["segments"] = torch.tensor([[1, 1, 1, 2, 2, 2]])
    targets = objective.corrupt(batch, generator(0))["targets"][0]
    ids = batch["input_ids"][0]
    assert targets.tolist() == [int(ids[1]), int(ids[2]), -100, int(ids[4]), int(ids[5]), -100]


def test_every_parameter_moves(text_processor):
    objective = build(text_processor, "gpt")
    objective(objective.corrupt(make_batch(text_processor), generator(0)))["loss"].backward()
    unused = [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.any()]
    assert unused == []
