"""Prefix LM and UniLM: who sees whom, what must be target, the losses by hand, and generation."""

from __future__ import annotations

import language
import lesson
import pytest
import torch
from frozen import cloze
from test_sentences import DOCUMENTS
from test_sentences import make_batch as make_documents
from tokens import Processor, TinyContext, cross_entropy, in_context, make_batch

from headstart.objectives.prefix import PrefixModeling
from headstart.objectives.unilm import UniLM, choose_phrases, visibility_by_kind
from headstart.seeding import generator


class Roomy(TinyContext):
    """With room for the ids of :data:`DOCUMENTS`."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(100, self.width)


@pytest.fixture
def prefix() -> PrefixModeling:
    torch.manual_seed(0)
    return PrefixModeling(TinyContext(), Processor, PrefixModeling.Options())


@pytest.fixture
def unilm() -> UniLM:
    torch.manual_seed(0)
    return UniLM(Roomy(), Processor, UniLM.Options(mask_ratio=0.3))


def may_attend(batch, row: int, i: int, j: int) -> bool:
    """The definition: i = j, or one document and (j in the prefix or j <= i)."""
    if not batch["mask"][row, j]:
        return i == j
    if "segments" in batch and batch["segments"][row, i] != batch["segments"][row, j]:
        return False
    return bool(batch["prefix"][row, j]) or j <= i


@pytest.mark.parametrize("segments", [False, True])
def test_all_after_the_prefix_is_predicted_and_nothing_else(prefix, segments):
    batch = make_batch(rows=60, length=16, segments=segments)
    corrupted = lesson.pure(prefix, batch)
    sizes = set()
    for row in range(60):
        for document in (1, 2) if segments else (1,):
            inside = batch["segments"][row] == document if segments else batch["mask"][row]
            indices = inside.nonzero().flatten().tolist()
            flags = corrupted["prefix"][row][indices].tolist()
            size = sum(flags)
            assert flags == [True] * size + [False] * (len(indices) - size)
            assert size >= 1
            sizes.add(size / len(indices))
            for index, after in zip(indices, [*indices[1:], None], strict=True):
                target = int(corrupted["targets"][row, index])
                if after is None or corrupted["prefix"][row, after]:
                    assert target == -100
                else:
                    assert target == int(batch["input_ids"][row, after])
    assert len(sizes) > 6


@pytest.mark.parametrize("segments", [False, True])
def test_prefix_loss_and_gradients_equal_the_definition_written_out(prefix, segments):
    batch = prefix.corrupt(make_batch(rows=4, length=12, segments=segments), generator(7))
    seen = torch.tensor(
        [[[may_attend(batch, r, i, j) for j in range(12)] for i in range(12)] for r in range(4)]
    )
    vectors, losses = prefix.encoder.table(batch["input_ids"]), []
    for row, index in (batch["targets"] >= 0).nonzero().tolist():
        hidden = in_context(prefix.encoder, vectors, row, index, seen)
        scores = prefix.encoder.table.weight @ hidden + prefix.head.decoder.bias
        losses.append(cross_entropy(scores, int(batch["targets"][row, index])))
    lesson.same_gradients(prefix(batch)["loss"], torch.stack(losses).mean(), prefix)


def test_unilm_parts_a_text_hides_some_of_it_and_draws_how_each_row_is_seen(unilm):
    batch = make_documents(*DOCUMENTS * 40, width=12)
    corrupted = lesson.pure(unilm, batch)
    chosen = corrupted["targets"] >= 0
    assert torch.equal(chosen.sum(1), (corrupted["mask"].sum(1) * 0.3).round().long())
    # [CLS] S1 [SEP] S2 [SEP], parted where a sentence of three begins.
    ends = (corrupted["input_ids"] == 4).long()
    assert (ends.sum(1) == 2).all()
    assert set(ends.argmax(1).tolist()) == {4, 7}
    assert corrupted["token_types"].sum(1).unique().tolist() == [4, 7]
    draws = torch.cat([unilm.corrupt(batch, generator(s))["visibility_kind"] for s in range(40)])
    share = torch.bincount(draws, minlength=4) / len(draws)
    torch.testing.assert_close(share, torch.tensor([2, 2, 1, 1]) / 6, atol=0.02, rtol=0)


def test_a_text_of_one_sentence_is_parted_anywhere(unilm):
    batch = make_documents(*[[list(range(10, 20))]] * 200, width=13)
    corrupted = unilm.corrupt(batch, generator(0))
    assert set((corrupted["input_ids"] == 4).long().argmax(1).tolist()) == set(range(2, 11))


@pytest.mark.parametrize("kind", range(4))
def test_each_attention_pattern_is_as_in_figure_1(kind):
    types = torch.tensor([[0, 0, 0, 1, 1, 1, 0]])
    mask = torch.tensor([[True] * 6 + [False]])
    seen = visibility_by_kind({"mask": mask, "token_types": types}, torch.tensor([kind]))[0]
    for i in range(6):
        for j in range(7):
            first_i, first_j = i < 3, j < 3
            allowed = {
                0: True,
                1: first_j or (not first_i and j <= i),
                2: j <= i,
                3: j >= i,
            }[kind]
            assert bool(seen[i, j]) == (allowed and j < 6), (i, j)


def test_unilm_loss_and_gradients_equal_the_definition_written_out(unilm):
    batch = unilm.corrupt(make_documents(*DOCUMENTS, width=12), generator(4))
    assert len(batch["visibility_kind"].unique()) > 2
    seen = visibility_by_kind(batch, batch["visibility_kind"])
    vectors, losses = unilm.encoder.table(batch["input_ids"]), []
    for row, index in (batch["targets"] >= 0).nonzero().tolist():
        hidden = unilm.head.transform(in_context(unilm.encoder, vectors, row, index, seen))
        scores = unilm.encoder.table.weight @ hidden + unilm.head.decoder.bias
        losses.append(cross_entropy(scores, int(batch["targets"][row, index])))
    lesson.same_gradients(unilm(batch)["loss"], torch.stack(losses).mean(), unilm)


def test_a_fifth_of_the_draws_are_of_two_or_three_neighbours():
    batch = make_batch(rows=2000, length=202)
    batch["mask"][:] = True
    batch["input_ids"][batch["input_ids"] < 5] = 5
    chosen = choose_phrases(batch, Processor.vocabulary, 0.05, 0.2, generator(0))
    assert (chosen.sum(1) == 10).all()
    alone = choose_phrases(batch, Processor.vocabulary, 0.05, 0.0, generator(0))
    # By chance alone 10 of 202 tokens have a neighbour now and then.
    pairs, by_accident = ((c[:, 1:] & c[:, :-1]).sum().item() for c in (chosen, alone))
    # A fifth of the draws brings a neighbour and half of these another; some meet or are cut.
    drawn = 2000 * 10 / 1.3 * 0.2 * 1.5
    assert 0.75 * drawn < pairs - by_accident < drawn


@pytest.mark.parametrize("name", ["prefix", "unilm"])
def test_every_parameter_moves(name):
    assert language.without_gradient(language.build({name: 1.0})) == []


def test_on_unseen_articles_its_features_tell_more_than_untrained_ones():
    assert language.learns(language.build({"prefix": 1.0}), 150) > 0.05


def test_on_unseen_articles_features_of_unilm_tell_more_of_what_was_hidden():
    objective = language.build({"unilm": 1.0}, ngrams=(2,))
    assert language.learns(objective, 120, rate=5e-3, measure=cloze) > 0.04
