"""Averaged word vectors: what a text says when the order of its words is forgotten."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from headstart.evaluation.words import Corpus
from headstart.seeding import derive

SIZE = 300
WORDS = 20_000
WINDOW = 5
#: Words this many times as frequent as the average are thinned out before counting: twice, which
#: is the 1e-4 of Mikolov et al., 2013, in a full lexicon, and spares the characters of a small one.
_THINNING = 2.0
#: A word of frequency f weighs a / (a + f) in the average (Arora et al., 2017).
_SIF = 1e-3
#: Context counts are raised to this power (Levy et al., 2015, "context distribution smoothing").
_SMOOTHING = 0.75


class WordVectors:
    """Word vectors from co-occurrence counts, and texts as their weighted averages.

    The vectors are U sqrt(S) of a truncated SVD of the positive pointwise mutual information
    (Levy and Goldberg, 2014, "Neural Word Embedding as Implicit Matrix Factorization"; Levy,
    Goldberg and Dagan, 2015, "Improving Distributional Similarity with Lessons Learned from Word
    Embeddings"): on a few million words they do what word2vec does, in seconds.

    Args:
        corpus: text without labels to count in.
        words: size of the lexicon.
        seed: of the thinning and of the SVD's random projection.
    """

    def __init__(self, corpus: Corpus, words: int, seed: int) -> None:
        counts = np.bincount(corpus.ids, minlength=words)
        kept = np.argsort(-counts, kind="stable")[:WORDS]
        kept = kept[counts[kept] > 0]
        self._place = np.full(words, -1, dtype=np.int64)
        self._place[kept] = np.arange(len(kept))
        frequency = counts[kept] / max(1, counts.sum())
        self._weight = (_SIF / (_SIF + frequency)).astype(np.float32)
        rng = np.random.Generator(np.random.PCG64(derive(seed, "thinning")))
        cooccurrence = _cooccurrence(self._place[corpus.ids], corpus.owner, frequency, rng)
        self._vectors = _factorise(_ppmi(cooccurrence), derive(seed, "svd"))

    def average(self, corpus: Corpus) -> np.ndarray:
        """Return one vector (N,D) float32 a document; a document of unknown words is zero."""
        known = corpus.ids < len(self._place)
        places = np.where(known, self._place[np.where(known, corpus.ids, 0)], -1)
        known = places >= 0
        places = places[known]
        shape = (corpus.documents, len(self._weight))
        weights = sparse.csr_matrix(
            (self._weight[places], (corpus.owner[known], places)), shape=shape
        )
        total = np.asarray(weights.sum(1))
        return np.asarray(weights @ self._vectors) / np.where(total > 0, total, 1)


def _cooccurrence(
    places: np.ndarray, owner: np.ndarray, frequency: np.ndarray, rng: np.random.Generator
) -> Any:
    """Count (W,W) how often two words stand within the window, in one document."""
    chance = np.minimum(1, np.sqrt(_THINNING * frequency.mean() / frequency))
    kept = (places >= 0) & (rng.random(len(places)) < np.append(chance, 0)[places])
    places, owner = places[kept].astype(np.int32), owner[kept]
    shape = (len(frequency), len(frequency))
    total = sparse.csr_matrix(shape, dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        together = owner[distance:] == owner[:-distance]
        left, right = places[:-distance][together], places[distance:][together]
        ones = np.ones(len(left), dtype=np.float32)
        total = total + sparse.csr_matrix((ones, (left, right)), shape=shape)
    return total + total.T


def _ppmi(counts: Any) -> Any:
    """Return max(0, log p(word, context) / (p(word) p(context)^0.75)), (W,W) sparse."""
    words = np.asarray(counts.sum(1)).ravel()
    contexts = words**_SMOOTHING
    contexts /= max(contexts.sum(), 1e-12)
    cells = counts.tocoo()
    information = np.log(cells.data / (words[cells.row] * contexts[cells.col]))
    kept = information > 0
    return sparse.csr_matrix(
        (information[kept].astype(np.float32), (cells.row[kept], cells.col[kept])),
        shape=counts.shape,
    )


def _factorise(matrix: Any, seed: int) -> np.ndarray:
    from sklearn.utils.extmath import randomized_svd

    size = min(SIZE, matrix.shape[0])
    left, strength, _ = randomized_svd(matrix, size, n_iter=2, random_state=seed % 2**32)
    return np.asarray(left * np.sqrt(strength), dtype=np.float32)
