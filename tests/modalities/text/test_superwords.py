"""Superwords: phrases that are more frequent than chance become one token, others do not."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.modalities.text.superwords import fit_superwords
from headstart.modalities.text.tokenizers import SPECIALS, fit_tokenizer, word_start_table

FILLER = ["alpha", "beta", "gamma", "delta", "sigma", "omega", "kappa", "theta"]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Random words with a phrase of four among them, now and then parted by a comma."""
    random = np.random.default_rng(0)
    made = []
    for _ in range(400):
        words = list(random.choice(FILLER, 40))
        words.insert(random.integers(40), random.choice(["waste of good time", "waste, of"]))
        made.append(" ".join(words))
    return made


def pieces(tokenizer, text: str) -> list[str]:
    return [piece.replace("Ġ", " ").strip() for piece in tokenizer.encode(text).tokens]


def test_a_frequent_phrase_is_one_token_and_chance_neighbours_are_not(texts):
    tokenizer = fit_superwords(texts, 600, SPECIALS, lowercase=True)
    assert pieces(tokenizer, "alpha Waste of good time beta") == [
        "alpha",
        "waste of good time",
        "beta",
    ]


@pytest.mark.parametrize("phrase", ["לא טוב", "не хорошо", "नहीं अच्छा", "pas très"])
def test_phrases_of_any_script_are_found(texts, phrase):
    foreign = [text.replace("waste of good time", phrase) for text in texts]
    tokenizer = fit_superwords(foreign, 600, SPECIALS, lowercase=True)
    (encoding,) = tokenizer.encode_batch([f"alpha {phrase} beta"])
    assert len(encoding.tokens) == 3


def test_no_phrase_reaches_over_punctuation(texts):
    tokenizer = fit_superwords(texts, 600, SPECIALS, lowercase=True)
    assert pieces(tokenizer, "waste, of good time") == ["waste", ",", "of", "good time"]


def test_the_vocabulary_keeps_to_its_size_and_the_specials_come_first(texts):
    tokenizer = fit_superwords(texts, 300, SPECIALS, lowercase=True)
    assert tokenizer.get_vocab_size() <= 300
    assert [tokenizer.id_to_token(index) for index in range(5)] == SPECIALS


def test_it_gives_back_what_it_read_in_any_script(texts):
    tokenizer = fit_tokenizer(texts, kind="superword", vocab_size=500, wrap=False)
    for text in ["alpha waste of good time!!! 7/10", "Déjà vu — 酒店很好。", "a\tb"]:
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids).strip() == " ".join(text.split())
    assert sum(word_start_table(tokenizer)) > 5
