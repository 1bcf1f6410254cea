"""Masked modeling: the choice of positions, what becomes of each, and the loss, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headstart.modalities import Vocabulary
from headstart.objectives.masked import MaskedModeling, MaskedOptions, choose, last
from headstart.seeding import generator

VOCABULARY, MASK = 40, 2
KNOWN = Vocabulary(size=VOCABULARY, pad_id=0, mask_id=MASK, special_ids=(0, 1, 2, 3, 4))


class Processor:
    vocabulary = KNOWN


class TinyEncoder(nn.Module):
    """A table and a linear layer: enough to check a loss and where its gradients go."""

    width = 8

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, self.width)
        self.mix = nn.Linear(self.width, self.width)

    @property
    def token_embedding(self) -> nn.Embedding:
        return self.table

    def embed(self, batch):
        return self.table(batch["input_ids"])

    def contextualize(self, tokens, visibility, positions=None):
        return self.mix(tokens)


def make_batch(rows: int = 64, length: int = 40) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, VOCABULARY, (rows, length), generator=generator(0, "ids"))
    ids[:, 0], ids[:, -1] = 3, 4
    mask = torch.ones_like(ids, dtype=torch.bool)
    mask[: rows // 2, 30:] = False
    ids[~mask] = 0
    return {"input_ids": ids, "mask": mask}


@pytest.fixture
def objective() -> MaskedModeling:
    torch.manual_seed(0)
    return MaskedModeling(TinyEncoder(), Processor(), MaskedOptions())


@pytest.mark.parametrize("ratio", [0.15, 0.3, 0.5])
def test_exactly_the_rounded_share_of_each_row_is_chosen(ratio):
    batch = make_batch()
    chosen = choose(batch, KNOWN, ratio, False, generator(1))
    expected = (batch["mask"].sum(1) * ratio).round().long()
    assert torch.equal(chosen.sum(1), expected)


def test_a_short_row_still_gives_one_target():
    batch = {"input_ids": torch.tensor([[3, 9, 4]]), "mask": torch.ones(1, 3, dtype=torch.bool)}
    assert choose(batch, KNOWN, 0.15, False, generator(1)).tolist() == [[False, True, False]]


def test_special_tokens_and_padding_are_never_chosen_but_position_zero_can_be():
    batch = make_batch(rows=400)
    batch["input_ids"][:, 0] = 7  # a row cut from the middle of a document
    chosen = choose(batch, KNOWN, 0.5, False, generator(2))
    assert not chosen[~batch["mask"]].any()
    assert not chosen[batch["input_ids"] < 5].any()
    assert chosen[:, 0].any()


def test_of_the_chosen_80_10_10_percent_are_masked_replaced_and_kept(objective):
    batch = make_batch(rows=4000)
    corrupted = objective.corrupt(batch, generator(3))
    chosen = corrupted["targets"] >= 0
    ids, original = corrupted["input_ids"][chosen], batch["input_ids"][chosen]
    assert torch.equal(corrupted["targets"][chosen], original)
    assert (ids == MASK).float().mean().item() == pytest.approx(0.8, abs=0.01)
    # A random token is the original once in 35 times.
    assert (ids == original).float().mean().item() == pytest.approx(0.1 + 0.1 / 35, abs=0.01)
    assert torch.equal(corrupted["input_ids"][~chosen], batch["input_ids"][~chosen])
    assert not torch.isin(ids[(ids != MASK)], torch.tensor([0, 1, 3, 4])).any()


def test_corruption_is_a_function_of_the_generator_and_leaves_the_batch_alone(objective):
    batch = make_batch()
    before = batch["input_ids"].clone()
    one, two = (objective.corrupt(batch, generator(5))["input_ids"] for _ in range(2))
    other = objective.corrupt(batch, generator(6))["input_ids"]
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(batch["input_ids"], before)


def naive_loss(objective: MaskedModeling, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """BERT's loss position by position, over the whole vocabulary everywhere."""
    encoder = objective.encoder
    losses = []
    for row in range(len(batch["input_ids"])):
        for index in range(batch["input_ids"].shape[1]):
            target = int(batch["targets"][row, index])
            if target == -100:
                continue
            vector = encoder.mix(encoder.table.weight[batch["input_ids"][row, index]])
            hidden = objective.head.transform(vector)
            scores = encoder.table.weight @ hidden + objective.head.decoder.bias
            losses.append(torch.logsumexp(scores, 0) - scores[target])
    return torch.stack(losses).mean()


def test_loss_and_gradients_equal_the_definition_written_out(objective):
    batch = objective.corrupt(make_batch(rows=4, length=12), generator(7))
    parameters = list(objective.parameters())
    expected = naive_loss(objective, batch)
    expected_gradients = torch.autograd.grad(expected, parameters)
    result = objective(batch)
    torch.testing.assert_close(result["loss"], expected)
    for ours, theirs in zip(
        torch.autograd.grad(result["loss"], parameters), expected_gradients, strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_every_parameter_moves(objective):
    batch = objective.corrupt(make_batch(), generator(8))
    objective(batch)["loss"].backward()
    unused = [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.any()]
    assert unused == []


# -- whole words ---------------------------------------------------------------------------------


def with_words(batch, every=3):
    starts = torch.zeros_like(batch["mask"])
    starts[:, ::every] = True
    return {**batch, "word_starts": starts}


def test_whole_words_are_hidden_together_within_the_same_token_budget():
    batch = with_words(make_batch(rows=200))
    chosen = choose(batch, KNOWN, 0.3, True, generator(9))
    budget = (batch["mask"].sum(1) * 0.3).round().long()
    assert (chosen.sum(1) <= budget).all()
    # Words of three (two at an edge): a word that would overflow is skipped, so at most two short.
    assert (chosen.sum(1) >= budget - 2).all()
    plain = batch["mask"] & (batch["input_ids"] >= 5)
    word = batch["word_starts"].long().cumsum(1)
    for row in range(200):
        for index in word[row].unique():
            members = (word[row] == index) & plain[row]
            assert chosen[row][members].float().mean() in (0, 1) or not members.any()


def test_a_word_longer_than_the_budget_is_skipped_for_one_that_fits():
    ids = torch.arange(5, 15)[None]
    batch = {
        "input_ids": ids,
        "mask": torch.ones_like(ids, dtype=torch.bool),
        # one word of nine tokens, one of a single token
        "word_starts": torch.tensor([[True] + [False] * 8 + [True]]),
    }
    for seed in range(5):
        chosen = choose(batch, KNOWN, 0.15, True, generator(seed))
        assert chosen.tolist() == [[False] * 9 + [True]]


def test_of_some_rows_the_last_token_of_each_record_alone_is_hidden():
    ids = torch.tensor([[5, 6, 7, 8, 9, 0], [5, 6, 7, 8, 9, 10]])
    batch = {
        "input_ids": ids,
        "mask": ids > 0,
        "segments": torch.tensor([[1, 1, 1, 2, 2, 0], [1, 2, 2, 3, 3, 3]]),
    }
    found = last(batch, Vocabulary(size=20, pad_id=0, special_ids=(0, 1), mask_id=1))
    assert found.long().tolist() == [[0, 0, 1, 0, 1, 0], [1, 0, 1, 0, 0, 1]]
    alone = {"input_ids": ids, "mask": ids > 0}
    found = last(alone, Vocabulary(size=20, pad_id=0, special_ids=(0, 9), mask_id=1))
    assert found.long().tolist() == [[0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1]]
