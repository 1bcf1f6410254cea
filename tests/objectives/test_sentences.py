"""Next sentence and sentence order: pairs, labels, the loss by hand, and that both learn."""

from __future__ import annotations

from functools import partial

import language
import lesson
import numpy as np
import pytest
import torch
from torch import nn

from headstart.encoders.opening import create_encoder
from headstart.errors import HeadstartError
from headstart.modalities import Vocabulary
from headstart.objectives.building import build_objective
from headstart.objectives.pairs import Pairing, Sentences, Span, pair
from headstart.objectives.sentences import NextSentence, SentenceOrder
from headstart.seeding import generator

CLS, SEP, PAD = 3, 4, 0
PAIRING = Pairing(prefix=1, suffix=1, separator=SEP, pad=PAD)


class Processor:
    """What the objectives ask of a processor."""

    vocabulary = Vocabulary(
        size=100,
        pad_id=PAD,
        special_ids=(0, 1, 2, 3, 4),
        mask_id=2,
        end_id=SEP,
        prefix=1,
        suffix=1,
    )


class TinyEncoder(nn.Module):
    """A mean of vectors, of the first part and of the second."""

    width = 6

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(100, self.width)

    def pool(self, batch):
        weight = batch["mask"] * (1.0 + batch["token_types"])
        return (self.table(batch["input_ids"]) * weight[:, :, None]).sum(1)


def make_batch(*documents: list[list[int]], width: int | None = None) -> dict[str, torch.Tensor]:
    """Return rows of sentences, each a list of ids."""
    rows, starts = [], []
    for sentences in documents:
        rows.append([CLS, *[token for sentence in sentences for token in sentence], SEP])
        flags = [False]
        for sentence in sentences:
            flags += [True] + [False] * (len(sentence) - 1)
        starts.append([*flags, True])
    width = width or max(map(len, rows))
    ids = torch.tensor([row + [PAD] * (width - len(row)) for row in rows])
    flags = torch.tensor([row + [False] * (width - len(row)) for row in starts])
    return {"input_ids": ids, "mask": ids != PAD, "sentence_starts": flags}


#: Row i has ids from 10 i + 10 on, in sentences of three tokens.
DOCUMENTS = [
    [list(range(10 * d + 3 * s, 10 * d + 3 * s + 3)) for s in range(3)] for d in range(1, 9)
]


def parts(corrupted, row):
    """Return the two parts of a row, without what is special."""
    ids, mask = corrupted["input_ids"][row], corrupted["mask"][row]
    types = corrupted["token_types"][row]
    plain = mask & (ids > SEP)
    return ids[plain & (types == 0)].tolist(), ids[plain & (types == 1)].tolist()


def test_a_pair_is_written_as_bert_writes_it():
    batch = make_batch([[11, 12], [13, 14, 15]], [[21], [22]], width=12)
    found = Sentences.of(batch, PAIRING)
    cut = torch.tensor([3, 2])
    row = torch.arange(2)
    paired = pair(
        batch,
        Span(row, found.begin, cut - found.begin),
        Span(row, cut, found.end - cut),
        PAIRING,
    )
    assert paired["input_ids"].tolist() == [
        [CLS, 11, 12, SEP, 13, 14, 15, SEP],
        [CLS, 21, SEP, 22, SEP, PAD, PAD, PAD],
    ]
    assert paired["token_types"].tolist() == [[0] * 4 + [1] * 4, [0, 0, 0, 1, 1, 0, 0, 0]]
    assert torch.equal(paired["mask"], paired["input_ids"] != PAD)


def test_of_parts_that_do_not_fit_the_longer_one_is_cut():
    batch = make_batch([[11, 12], [13, 14, 15, 16, 17, 18]])
    row, one = torch.tensor([0]), torch.tensor([1])
    paired = pair(batch, Span(row, one, one * 2), Span(row, one * 3, one * 6), PAIRING)
    assert paired["input_ids"].tolist() == [[CLS, 11, 12, SEP, 13, 14, 15, 16, 17, SEP]]
    swapped = pair(batch, Span(row, one * 3, one * 6), Span(row, one, one * 2), PAIRING)
    assert swapped["input_ids"].tolist() == [[CLS, 13, 14, 15, 16, 17, SEP, 11, 12, SEP]]


def test_what_a_window_cut_off_is_left_out_of_the_pairs():
    batch = make_batch([[11, 12], [13, 14], [15, 16], [17]])
    batch["sentence_starts"][0, 1] = False  # begins in the middle of a sentence
    batch["sentence_starts"][0, -1] = False  # and ends in one
    found = Sentences.of(batch, PAIRING)
    assert (found.begin.tolist(), found.end.tolist()) == ([3], [7])
    assert found.breaks[0].nonzero().flatten().tolist() == [5]
    everything = Sentences.of(batch, PAIRING, whole=False)
    assert (everything.begin.tolist(), everything.end.tolist()) == ([1], [8])
    batch["sentence_starts"][0, 4:] = False  # not one whole sentence is left
    assert not Sentences.of(batch, PAIRING).breaks.any()


@pytest.mark.parametrize("kind", [NextSentence, SentenceOrder])
def test_corruption_is_a_function_of_the_generator_and_leaves_the_batch_alone(kind):
    lesson.pure(kind(TinyEncoder(), Processor, kind.Options()), make_batch(*DOCUMENTS, width=12))


def test_half_of_the_second_parts_are_from_another_row_and_labeled_1():
    objective = NextSentence(TinyEncoder(), Processor, NextSentence.Options())
    batch, labels = make_batch(*DOCUMENTS, width=12), []
    for seed in range(150):
        corrupted = objective.corrupt(batch, generator(seed))
        for row, label in enumerate(corrupted["labels"].tolist()):
            first, second = parts(corrupted, row)
            text = [token for sentence in DOCUMENTS[row] for token in sentence]
            assert first == text[: len(first)]
            assert len(first) % 3 == 0  # parted between sentences
            if label:
                assert second[0] // 10 != row + 1
                assert second[-1] % 10 == 8  # the end of another text
                assert len(second) == 9 - len(first)  # as long as the true one
            else:
                assert first + second == text
            labels.append(label)
    assert np.mean(labels) == pytest.approx(0.5, abs=0.05)


def test_a_row_of_one_sentence_always_gets_the_second_part_of_another():
    objective = NextSentence(TinyEncoder(), Processor, NextSentence.Options(random=0.0))
    batch = make_batch([[11, 12, 13]], DOCUMENTS[1], width=12)
    corrupted = objective.corrupt(batch, generator(0))
    assert corrupted["labels"].tolist() == [1, 0]
    first, second = parts(corrupted, 0)
    assert first == [11, 12, 13]
    assert second[0] // 10 == 2


def test_alone_in_a_batch_no_row_has_another_to_take_from():
    objective = NextSentence(TinyEncoder(), Processor, NextSentence.Options(random=1.0))
    assert objective.corrupt(make_batch(DOCUMENTS[0]), generator(0))["labels"].tolist() == [0]


def test_half_of_the_pairs_are_swapped_and_single_sentences_have_no_label():
    objective = SentenceOrder(TinyEncoder(), Processor, SentenceOrder.Options())
    batch, labels = make_batch(*DOCUMENTS, [[95, 96]], width=12), []
    for seed in range(150):
        corrupted = objective.corrupt(batch, generator(seed))
        assert corrupted["labels"][-1] == -100
        for row, label in enumerate(corrupted["labels"].tolist()[:-1]):
            first, second = parts(corrupted, row)
            text = [token for sentence in DOCUMENTS[row] for token in sentence]
            assert (second + first if label else first + second) == text
            assert 0 < len(first) < 9
            labels.append(label)
    assert np.mean(labels) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("kind", [NextSentence, SentenceOrder])
def test_loss_and_gradients_equal_the_definition_written_out(kind):
    torch.manual_seed(0)
    objective = kind(TinyEncoder(), Processor, kind.Options())
    batch = objective.corrupt(make_batch(*DOCUMENTS, [[95, 96]], width=12), generator(1))
    losses = []
    for row, label in enumerate(batch["labels"].tolist()):
        if label == -100:
            continue
        vector = torch.zeros(6)
        for token, real, part in zip(
            *(batch[name][row].tolist() for name in ("input_ids", "mask", "token_types")),
            strict=True,
        ):
            vector = vector + objective.encoder.table.weight[token] * real * (1 + part)
        dense, _, answers = objective.head
        scores = answers.weight @ torch.tanh(dense.weight @ vector + dense.bias) + answers.bias
        losses.append(torch.logsumexp(scores, 0) - scores[label])
    lesson.same_gradients(objective(batch)["loss"], torch.stack(losses).mean(), objective)


def test_a_batch_without_pairs_is_harmless():
    objective = SentenceOrder(TinyEncoder(), Processor, SentenceOrder.Options())
    batch = objective.corrupt(make_batch([[11, 12]], [[21]]), generator(0))
    loss = objective(batch)["loss"]
    loss.backward()
    assert loss.item() == 0.0


@pytest.mark.parametrize("name", ["nsp", "sop"])
def test_every_parameter_moves_and_both_mix_with_masked_modeling(name):
    assert language.without_gradient(language.build({name: 1.0}, "bert")) == []
    mixed = language.build({"mlm": 1.0, name: 1.0})
    batch = mixed.corrupt(language.rows("documents", range(8)), generator(0))
    scalars = mixed(batch)
    torch.testing.assert_close(scalars["loss"], scalars["mlm/loss"] + scalars[f"{name}/loss"])


def test_bert_tells_the_parts_apart_by_their_type(text_processor):
    options = {"layers": 1, "width": 16, "heads": 2}
    encoder = create_encoder("bert", options, text_processor, length=32, seed=0).eval()
    batch = text_processor.collate_texts(["the quick brown fox"], 32)
    plain = encoder.pool(batch)
    zero = torch.zeros_like(batch["input_ids"])
    torch.testing.assert_close(encoder.pool({**batch, "token_types": zero}), plain)
    assert not torch.allclose(encoder.pool({**batch, "token_types": zero + 1}), plain)
    with torch.no_grad():
        theirs = encoder.model(
            batch["input_ids"], attention_mask=batch["mask"].long(), token_type_ids=zero + 1
        ).last_hidden_state.mean(1)
        torch.testing.assert_close(
            encoder.pool({**batch, "token_types": zero + 1}), theirs, rtol=1e-4, atol=1e-5
        )


def test_an_average_of_words_is_refused_with_what_it_can_do(text_processor):
    light = create_encoder("light", {"width": 8}, text_processor, length=32, seed=0)
    with pytest.raises(HeadstartError, match=r"'nsp' needs order.*contrast"):
        build_objective({"nsp": 1.0}, {}, light, text_processor)


class TwoMeans(nn.Module):
    """The mean of each part's vectors, and how the two agree: as much as a pair needs."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.width = 3 * width
        self.table = nn.Embedding(len(language.articles(language.VOCABULARY)[0].tokenizer), width)
        nn.init.normal_(self.table.weight, std=0.3)

    def pool(self, batch):
        vectors, means = self.table(batch["input_ids"]), []
        for part in (0, 1):
            weight = (batch["mask"] & (batch["token_types"] == part)).float()
            count = weight.sum(1, keepdim=True).clamp(min=1)
            means.append((vectors * weight[:, :, None]).sum(1) / count)
        first, second = means
        return torch.cat([first, second, first * second], 1)


def test_on_unseen_articles_features_of_nsp_tell_more_than_untrained_ones(monkeypatch):
    monkeypatch.setattr(language, "LENGTH", 96)
    monkeypatch.setattr(language, "VOCABULARY", 3000)
    torch.manual_seed(0)
    objective = NextSentence(TwoMeans(), language.articles(3000)[0], NextSentence.Options())
    measure = partial(language.pretext, parts=48)
    assert language.learns(objective, 500, rate=2e-2, count=64, measure=measure) > 0.02


def test_on_unseen_articles_features_of_sop_tell_more_than_untrained_ones(monkeypatch):
    # Whole articles: between parts of a window words alone hardly tell which came first.
    monkeypatch.setattr(language, "LENGTH", 600)
    monkeypatch.setattr(language, "VOCABULARY", 1000)
    torch.manual_seed(0)
    objective = SentenceOrder(TwoMeans(24), language.processor(), SentenceOrder.Options())
    assert language.learns(objective, 300, rate=1e-2, count=64) > 0.03
