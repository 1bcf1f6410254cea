"""Word order: which trigrams are shuffled, what must be predicted, and the loss by hand."""

from __future__ import annotations

import language
import lesson
import pytest
import torch
from tokens import SEP, Processor, TinyContext, cross_entropy, in_context, make_batch

from headstart.objectives.word_order import WordOrder
from headstart.seeding import generator


def make(ratio: float | str = 0.05) -> WordOrder:
    torch.manual_seed(0)
    return WordOrder(TinyContext(), Processor, WordOrder.Options(shuffle_ratio=ratio))


def distinct(rows: int, length: int) -> dict[str, torch.Tensor]:
    """Return rows in which no token is there twice."""
    batch = make_batch(rows, length)
    plain = torch.arange(5, 5 + length - 2)
    batch["input_ids"][:, 1:-1] = plain
    batch["mask"][:] = True
    batch["input_ids"][:, -1] = SEP
    return batch


def test_corruption_is_pure_and_keeps_every_word():
    batch = distinct(64, 37)
    corrupted = lesson.pure(make(0.1), batch)
    assert torch.equal(corrupted["input_ids"].sort(1).values, batch["input_ids"].sort(1).values)
    at = corrupted["targets"] >= 0
    assert torch.equal(corrupted["targets"][at], batch["input_ids"][at])
    assert torch.equal(corrupted["input_ids"][~at], batch["input_ids"][~at])


@pytest.mark.parametrize(("ratio", "trigrams"), [(0.05, 2), (0.01, 1), (0.1, 3)])
def test_five_percent_of_the_trigrams_are_shuffled_and_none_keeps_its_order(ratio, trigrams):
    batch = distinct(300, 37)  # 35 tokens have 33 trigrams
    corrupted = make(ratio).corrupt(batch, generator(1))
    at = corrupted["targets"] >= 0
    assert (at.sum(1) == 3 * trigrams).all()
    moved = corrupted["input_ids"] != batch["input_ids"]
    orders = set()
    for row in range(300):
        indices = at[row].nonzero().flatten().view(-1, 3)
        assert (indices[:, 2] - indices[:, 0] == 2).all()
        for index in indices[:, 0].tolist():
            assert moved[row, index : index + 3].sum() >= 2
            seen = corrupted["input_ids"][row, index : index + 3] - batch["input_ids"][row, index]
            orders.add(tuple(seen.tolist()))
    assert len(orders) == 5


def test_special_tokens_padding_and_the_seam_of_two_documents_stay_where_they_are():
    for batch in (make_batch(rows=200), make_batch(rows=200, segments=True)):
        corrupted = make(0.3).corrupt(batch, generator(2))
        special = batch["input_ids"] < 5
        assert (corrupted["targets"][special] == -100).all()
        assert torch.equal(corrupted["input_ids"][special], batch["input_ids"][special])
    seam = batch["segments"].diff(dim=1).nonzero()[0, 1]
    batch["input_ids"][:, seam : seam + 2] = 7  # no special tokens between the documents
    corrupted = make(0.3).corrupt(batch, generator(3))
    for part in (slice(0, int(seam) + 1), slice(int(seam) + 1, None)):
        assert torch.equal(
            corrupted["input_ids"][:, part].sort(1).values,
            batch["input_ids"][:, part].sort(1).values,
        )


def test_a_row_that_is_too_short_has_no_target():
    batch = {name: tensor[:, :4] for name, tensor in make_batch(rows=2).items()}
    objective = make()
    corrupted = objective.corrupt(batch, generator(0))
    assert (corrupted["targets"] >= 0).sum(1).le(3).all()
    short = {name: tensor[:, :2] for name, tensor in batch.items()}
    loss = objective(objective.corrupt(short, generator(0)))["loss"]
    loss.backward()
    assert loss.item() == 0


def test_loss_and_gradients_equal_the_definition_written_out():
    objective = make(0.2)
    batch = objective.corrupt(make_batch(rows=4, length=12), generator(7))
    seen = (batch["mask"][:, None, :] | torch.eye(12, dtype=torch.bool)).expand(4, 12, 12)
    vectors, losses = objective.encoder.table(batch["input_ids"]), []
    for row, index in (batch["targets"] >= 0).nonzero().tolist():
        hidden = objective.head.transform(in_context(objective.encoder, vectors, row, index, seen))
        scores = objective.encoder.table.weight @ hidden + objective.head.decoder.bias
        losses.append(cross_entropy(scores, int(batch["targets"][row, index])))
    lesson.same_gradients(objective(batch)["loss"], torch.stack(losses).mean(), objective)


def test_on_unseen_articles_its_features_tell_more_than_untrained_ones():
    objective = language.build({"word_order": 1.0}, word_order={"shuffle_ratio": 0.1})
    assert language.learns(objective, 200) > 0.03


def test_every_parameter_moves():
    assert language.without_gradient(language.build({"word_order": 1.0})) == []
