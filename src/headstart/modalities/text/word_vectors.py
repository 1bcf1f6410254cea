"""Averaged word vectors: a text as a bag of words."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from headstart.modalities.text.lexicon import Corpus
from headstart.modalities.tokens.cooccurrence import vectors_of_counts

SIZE = 300
WORDS = 20_000
#: A word of frequency f weighs a / (a + f) in the average (Arora et al., 2017).
_SIF = 1e-3


class WordVectors:
    """Word vectors from co-occurrence counts, and texts as their weighted averages.

    Args:
        corpus: text without labels to count in.
        words: size of the lexicon.
        seed: of :func:`headstart.modalities.tokens.cooccurrence.vectors_of_counts`.
    """

    def __init__(self, corpus: Corpus, words: int, seed: int) -> None:
        counts = np.bincount(corpus.ids, minlength=words)
        kept, self._vectors = vectors_of_counts(corpus.ids, corpus.owner, counts, WORDS, SIZE, seed)
        self._index = np.full(words, -1, dtype=np.int64)
        self._index[kept] = np.arange(len(kept))
        self._weight = (_SIF / (_SIF + counts[kept] / max(1, counts.sum()))).astype(np.float32)

    def average(self, corpus: Corpus) -> np.ndarray:
        """Return one vector (N,D) float32 per document; a document of unknown words is zero."""
        known = corpus.ids < len(self._index)
        indices = np.where(known, self._index[np.where(known, corpus.ids, 0)], -1)
        known = indices >= 0
        indices = indices[known]
        shape = (corpus.documents, len(self._weight))
        weights = sparse.csr_matrix(
            (self._weight[indices], (corpus.owner[known], indices)), shape=shape
        )
        total = np.asarray(weights.sum(1))
        return np.asarray(weights @ self._vectors) / np.where(total > 0, total, 1)
