"""Modified Kneser-Ney, against a slow and plain one, and by hand."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from datasets import Dataset
from scipy.optimize import check_grad

from headstart.evaluation.ngram_baseline import fit_ngrams
from headstart.evaluation.ngram_counts import Corpus, Matches, counted
from headstart.evaluation.ngram_model import NgramModel, closed_form
from headstart.evaluation.ngram_tuning import _evidence, _loss, _split, chosen
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer

SIZE = 6


def made(seed, number=30, longest=25):
    """Return documents in which tokens depend on those before them."""
    random = np.random.default_rng(seed)
    documents = []
    for length in random.integers(0, longest, size=number):
        ids = random.integers(SIZE - 1, size=length)
        for place in range(2, length):
            if random.random() < 0.6:
                ids[place] = (ids[place - 1] + ids[place - 2]) % (SIZE - 1)
        documents.append(ids)
    return documents


class Plain:
    """Interpolated modified Kneser-Ney by the book, one n-gram at a time."""

    def __init__(self, documents, order, discounts):
        self.order, self.discounts = order, discounts
        self.counts = [defaultdict(Counter) for _ in range(order)]
        for ids in documents:
            ids = tuple(ids.tolist())
            for end in range(1, len(ids)):
                for n in range(1, min(order, end + 1) + 1):
                    if n == order or n == end + 1:
                        self.counts[n - 1][ids[end + 1 - n : end]][ids[end]] += 1
        kinds = {
            tuple(ids[end - n : end + 1].tolist())
            for ids in documents
            for n in range(1, order)
            for end in range(n, len(ids))
        }
        for gram in kinds:
            self.counts[len(gram) - 2][gram[1:-1]][gram[-1]] += 1

    def probability(self, token, context):
        lower = 1 / SIZE
        for n in range(1, min(self.order, len(context) + 1) + 1):
            after = self.counts[n - 1][tuple(context[len(context) + 1 - n :])]
            total = sum(after.values())
            if total:
                taken = {key: self.discounts[n - 1][min(after[key], 3) - 1] for key in after}
                kept = after[token] - taken[token] if token in after else 0
                lower = (kept + sum(taken.values()) * lower) / total
        return lower


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_it_equals_the_plain_one(order):
    documents, tested = made(0), made(1, 5)
    discounts = [(0.5 + n / 20, 1 + n / 20, 1.2 + n / 20) for n in range(order)]
    model = NgramModel(Corpus.of(documents), SIZE, order, discounts)
    plain = Plain(documents, order, discounts)
    nats = np.split(model.nats(Corpus.of(tested)), np.cumsum([len(ids) for ids in tested])[:-1])
    for ids, found in zip(tested, nats, strict=True):
        wanted = [
            -math.log(plain.probability(ids[n], ids[:n].tolist())) for n in range(1, len(ids))
        ]
        assert found[1:] == pytest.approx(wanted, rel=1e-5)


def test_the_probabilities_after_any_context_sum_to_1():
    model = NgramModel(Corpus.of(made(0)), SIZE, 4)
    random = np.random.default_rng(2)
    contexts = [random.integers(SIZE, size=length) for length in (1, 2, 3, 3, 3, 6) * 5]
    for context in contexts:
        corpus = Corpus.of([np.append(context, token) for token in range(SIZE)])
        last = np.flatnonzero(corpus.places == len(context))
        probabilities = np.exp(-model.nats(corpus)[last])
        assert probabilities.sum() == pytest.approx(1, rel=1e-5)
        assert probabilities.min() > 0


def test_it_by_hand():
    # Bigrams 01 twice, 10, 02, 20 once; 0 opens the document.
    corpus = Corpus.of([np.array([0, 1, 0, 2, 0, 1])])
    model = NgramModel(corpus, 4, 2, [(0.5, 0.7, 1), (0.6, 0.8, 1)])
    # 1 and 2 follow one token each, 0 two: 4 bigrams.
    one = (1 - 0.5) / 4 + (0.5 + 0.5 + 0.7) / 4 * (1 / 4)
    wanted = (2 - 0.8) / 3 + (0.8 + 0.6) / 3 * one
    assert model.nats(Corpus.of([np.array([0, 1])]))[1] == pytest.approx(-math.log(wanted))
    # A context that was never read leaves all to the lower order.
    assert model.nats(Corpus.of([np.array([3, 1])]))[1] == pytest.approx(-math.log(one))


def test_documents_do_not_run_into_each_other():
    apart = NgramModel(Corpus.of([np.array([0, 1]), np.array([2, 1])] * 3), 4, 2)
    corpus = Corpus.of([np.array([1, 2])])
    unseen = Corpus.of([np.array([3, 2])])
    assert apart.nats(corpus)[1] == apart.nats(unseen)[1]


def test_discounts_of_the_closed_form():
    counts = np.repeat([1, 2, 3, 4, 9], [40, 15, 8, 5, 3])
    share = 40 / 70
    assert closed_form(counts) == pytest.approx(
        (1 - 2 * share * 15 / 40, 2 - 3 * share * 8 / 15, 3 - 4 * share * 5 / 8)
    )
    assert closed_form(np.array([100, 200])) == (0.5, 1.0, 1.5)


def test_the_tuned_loss_is_that_of_the_model_and_its_gradient_is_right():
    train, held = Corpus.of(made(0, 60)), Corpus.of(made(1, 20))
    order, levels, previous = 3, [], None
    matches = Matches.unigrams(held)
    for number, (grams, continuations) in enumerate(counted(train, SIZE)):
        if previous is not None:
            levels.append(_evidence(previous, continuations, matches, held, SIZE))
            matches = matches.extended(held, grams.keys, SIZE)
        previous = grams
        if number == order - 1:
            break
    levels.append(_evidence(previous, previous.counts, matches, held, SIZE))
    model = NgramModel(train, SIZE, order)
    point = np.array(model.discounts).ravel()
    loss, _ = _loss(point, levels, SIZE)
    assert loss == pytest.approx(model.nats(held)[held.places > 0].mean(), rel=1e-5)
    error = check_grad(
        lambda x: _loss(x, levels, SIZE)[0], lambda x: _loss(x, levels, SIZE)[1], point
    )
    assert error < 1e-6


def test_order_and_discounts_are_chosen_on_held_out_training_tokens():
    documents = made(0, 3000, 60)  # a token depends on two before it
    choice = chosen(documents, SIZE)
    assert choice.order == 3
    assert choice.perplexities[2] == min(choice.perplexities[:3])
    train, held = _split(documents)
    assert choice.held_out == (held.places > 0).sum()
    assert len(train) + len(held) == sum(map(len, documents))
    nats = [
        NgramModel(train, SIZE, 3, discounts).nats(held)[held.places > 0].mean()
        for discounts in (choice.discounts, None)
    ]
    assert nats[0] <= nats[1]
    assert math.exp(nats[0]) == pytest.approx(choice.perplexities[2], rel=1e-4)
    few = chosen(documents[:10], SIZE)
    assert (few.order, few.discounts, few.held_out) == (3, None, 0)


def test_all_tokens_are_read_or_evenly_spaced_texts_and_it_says_so():
    processor = TextProcessor(fit_tokenizer(["abcdefgh "] * 2, kind="char", vocab_size=40))
    texts = ["abab ab" if number < 500 else "ghgh gh" for number in range(1000)]
    records = Dataset.from_dict({"text": texts})
    _, facts = fit_ngrams(records, processor)
    assert (facts.tokens, facts.left_out) == (9000, 0)
    assert "fitted on all 9,000 tokens" in facts.sentences()[0]
    model, facts = fit_ngrams(records, processor, most=1800)
    assert (facts.tokens, facts.left_out) == (1800, 7200)
    assert "About 7,200 more tokens were left out" in facts.sentences()[1]
    # It has read texts of both halves.
    nats = [model.nats(Corpus.of([np.array(ids)]))[2] for ids in processor.encode_ids(["ab", "gh"])]
    assert max(nats) < 0.5
