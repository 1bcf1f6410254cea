"""Averaged word vectors: a text as a bag of words."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from headstart.modalities.text.lexicon import Corpus, Lexicon
from headstart.modalities.tokens.cooccurrence import vectors_of_counts

SIZE = 300
WORDS = 20_000
#: A word of frequency f weighs a / (a + f) in the average.
_SMOOTH = 1e-3
#: Documents whose averages show the common direction.
_DOCUMENTS = 10_000


class WordVectors:
    """Word vectors from co-occurrence counts, and texts as their weighted averages.

    Frequent words weigh less, and the direction that averages of all texts have in common is
    removed (Arora et al., 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings",
    smooth inverse frequency, SIF).

    Args:
        lexicon: knows the words of the documents.
        fitted: documents of tokens, without labels, to count in.
        seed: of :func:`headstart.modalities.tokens.cooccurrence.vectors_of_counts`.
    """

    def __init__(self, lexicon: Lexicon, fitted: Corpus, seed: int) -> None:
        self._lexicon = lexicon
        words, size = lexicon.words_of(fitted), len(lexicon.words)
        counts = np.bincount(words.ids, minlength=size)
        kept, self._vectors = vectors_of_counts(words.ids, words.owner, counts, WORDS, SIZE, seed)
        self._index = np.full(size, -1, dtype=np.int64)
        self._index[kept] = np.arange(len(kept))
        frequency = counts[kept] / max(1, counts.sum())
        self._weight = (_SMOOTH / (_SMOOTH + frequency)).astype(np.float32)
        averages = self._weighted(fitted[:_DOCUMENTS])
        self._common = np.linalg.eigh(averages.T @ averages)[1][:, -1:]

    def average(self, corpus: Corpus) -> np.ndarray:
        """Return one vector (N,D) float32 per document; a document of unknown words is zero."""
        averages = self._weighted(corpus)
        return averages - averages @ self._common @ self._common.T

    def _weighted(self, corpus: Corpus) -> np.ndarray:
        words = self._lexicon.words_of(corpus)
        indices = self._index[words.ids]
        known = indices >= 0
        indices, owner = indices[known], words.owner[known]
        shape = (corpus.documents, len(self._weight))
        weights = sparse.csr_matrix((self._weight[indices], (owner, indices)), shape=shape)
        total = np.asarray(weights.sum(1))
        return np.asarray(weights @ self._vectors) / np.where(total > 0, total, 1)
