"""Token vectors from counts: whose neighbours are counted, and what is made of the counts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from headstart.modalities.tokens import cooccurrence
from headstart.modalities.tokens.cooccurrence import _ppmi, vectors_of_tokens
from headstart.modalities.tokens.token_file import Document, TokenFile, write_token_file

VOCABULARY = 30


def corpus(folder: Path, documents: int = 400) -> TokenFile:
    """Write documents of either ten tokens or ten others, and of a few that are common to all."""
    draw = np.random.default_rng(0)
    texts = [
        np.where(
            draw.random(40) < 0.2,
            draw.integers(20, 24, 40),
            draw.integers(0, 10, 40) + 10 * (n % 2),
        )
        for n in range(documents)
    ]
    write_token_file(folder, map(Document, texts), VOCABULARY)
    return TokenFile.open(folder)


def cosines(vectors: np.ndarray) -> np.ndarray:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)


def test_tokens_of_like_company_are_alike_and_those_never_met_have_no_vector(tmp_path):
    vectors = vectors_of_tokens(corpus(tmp_path / "tokens"), VOCABULARY, 8, seed=0)
    assert vectors.shape == (VOCABULARY, 8)
    assert vectors.dtype == np.float32
    alike = cosines(vectors[:20])
    same = np.add.outer(np.arange(20) // 10, np.arange(20) // 10) % 2 == 0
    assert alike[same].min() > alike[~same].max() + 0.3
    assert not vectors[24:].any()


def test_a_sample_of_whole_documents_is_counted_and_the_rarest_get_none(tmp_path, monkeypatch):
    file = corpus(tmp_path / "tokens")
    monkeypatch.setattr(cooccurrence, "_COUNTED", 4000)
    seen = []
    whole = cooccurrence.vectors_of_counts

    def watched(ids, owner, counts, most, *rest):
        seen.append((ids, owner))
        return whole(ids, owner, counts, 12, *rest)

    monkeypatch.setattr(cooccurrence, "vectors_of_counts", watched)
    vectors = vectors_of_tokens(file, VOCABULARY, 8, seed=0)
    [(ids, owner)] = seen
    assert owner.tolist() == np.repeat(np.arange(0, 400, 4), 40).tolist()
    assert ids[40:80].tolist() == file.tokens[160:200].tolist()
    assert vectors.any(1).sum() == 12
    again = vectors_of_tokens(file, VOCABULARY, 8, seed=0)
    assert np.array_equal(vectors, again)


def test_of_one_endless_document_the_beginning_is_counted(tmp_path, monkeypatch):
    tokens = np.arange(1000) % 20
    write_token_file(tmp_path / "tokens", [Document(tokens)], VOCABULARY)
    monkeypatch.setattr(cooccurrence, "_COUNTED", 200)
    seen = []
    whole = cooccurrence.vectors_of_counts
    monkeypatch.setattr(
        cooccurrence, "vectors_of_counts", lambda *given: seen.append(given) or whole(*given)
    )
    vectors_of_tokens(TokenFile.open(tmp_path / "tokens"), VOCABULARY, 8, seed=0, share=0.5)
    [(ids, owner, *_)] = seen
    assert ids.tolist() == tokens[:100].tolist()
    assert not owner.any()


def test_positive_information_by_hand():
    counts = np.array([[0, 6, 1], [6, 0, 3], [1, 3, 4]], dtype=np.float32)
    found = _ppmi(sparse.csr_matrix(counts)).toarray()
    words = counts.sum(1)
    contexts = words**0.75 / (words**0.75).sum()
    for row in range(3):
        for column in range(3):
            ratio = counts[row, column] / words[row] / contexts[column]
            right = max(0.0, math.log(ratio)) if ratio else 0.0
            assert found[row, column] == pytest.approx(right, abs=1e-6)
