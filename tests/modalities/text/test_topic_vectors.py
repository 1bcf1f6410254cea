"""LSA vectors that are kept with an encoder: those of the baseline, on any texts, saved as JSON."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from headstart.modalities.text.lexicon import Lexicon
from headstart.modalities.text.modality import TextModality
from headstart.modalities.text.ngrams import CharacterGrams, WordGrams
from headstart.modalities.text.tfidf import tfidf
from headstart.modalities.text.topic_vectors import AXES, FEATURES, WORDS, TopicProcessor

WHERE = ("on the table", "in the old house", "under a tree", "near the river")
TEXTS = [
    f"the {colour} {animal} sleeps {WHERE[number % 4]}"
    for number, (colour, animal) in enumerate(
        (colour, animal)
        for colour in ("red", "white", "black")
        for animal in ("cat", "dog", "horse", "owl")
    )
]


def records(texts: list[str]) -> Dataset:
    return Dataset.from_dict({"id": list(map(str, range(len(texts)))), "text": texts})


@pytest.fixture(scope="module")
def fitted() -> TopicProcessor:
    found = TextModality().simple(records(TEXTS), 64, 0)
    assert found is not None
    return found


def test_its_rows_are_those_of_the_counted_texts(fitted):
    """Words are numbered anew when they are kept, so the order of n-grams is another."""
    lexicon = Lexicon()
    corpus = lexicon.read(TEXTS)
    grams = WordGrams(lexicon, corpus, FEATURES), CharacterGrams(lexicon, corpus, FEATURES)
    rows = tfidf(corpus, *grams).toarray()
    vectors = fitted.vectors(TEXTS)
    # On all axes of twelve texts, products of vectors are those of the rows.
    np.testing.assert_allclose(vectors @ vectors.T, rows @ rows.T, atol=2e-3)


def test_other_texts_get_the_same_vector_alone_and_among_others(fitted):
    others = ["the white owl flies", "", "quite unknown vocabulary", TEXTS[3]]
    together = fitted.vectors(others)
    alone = np.vstack([fitted.vectors([text]) for text in others])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert not together[1].any()
    assert np.isfinite(together).all()


def test_saved_vectors_open_through_the_modality(fitted, tmp_path):
    fitted.save(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {AXES, WORDS}
    again = TextModality().load(tmp_path)
    batch = again.collate(records(TEXTS), 4)
    np.testing.assert_array_equal(batch["vectors"].numpy(), fitted.vectors(TEXTS))


def test_texts_without_a_word_have_no_axes():
    assert TextModality().simple(records(["", " "]), 64, 0) is None
