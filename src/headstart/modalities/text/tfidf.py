"""TF-IDF rows of n-grams, and their latent semantic analysis."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from headstart.data.sparse_products import SparseRows
from headstart.data.vectors import unit_length
from headstart.modalities.text.lexicon import Corpus
from headstart.modalities.text.ngrams import CharacterGrams, WordGrams, Words

Grams = Words | WordGrams | CharacterGrams
#: Maximum number of dimensions of the LSA, and of documents and nonzero cells it is fitted on.
TOPICS, _DOCUMENTS, _CELLS = 300, 25_000, 10_000_000
#: Extra dimensions and power iterations of the randomised SVD.
_EXTRA, _ITERATIONS = 10, 2
#: Tokens of documents whose counts are in memory at once.
_TOKENS = 500_000


def tfidf(corpus: Corpus, *grams: Grams) -> Any:
    """Return (1 + ln tf) idf of documents of tokens, CSR (N,F) float32, rows of length 1.

    The columns of several kinds of n-grams stand side by side, with equal weight: each kind has
    length 1 before the whole row has.
    """
    rows = [
        unit_length(sparse.hstack([_weighted(each, part) for each in grams], format="csr"))
        for part in corpus.parts(_TOKENS)
    ]
    return sparse.vstack(rows, format="csr", dtype=np.float32)


def _weighted(grams: Grams, corpus: Corpus) -> Any:
    counts = grams.count(corpus)
    counts.data = (1 + np.log(counts.data)) * grams.idf[counts.indices]
    return unit_length(counts)


def topics(fitted: Corpus, *grams: Grams, seed: int) -> np.ndarray:
    """Return the axes (F,K) float32 of a latent semantic analysis of TF-IDF rows, K at most 300.

    Deerwester et al., 1990, "Indexing by Latent Semantic Analysis". The axes are the singular
    vectors of a sample of documents, by a randomised SVD (Halko et al., 2011, "Finding Structure
    with Randomness", with power iterations).

    Args:
        fitted: documents of tokens, without labels.
        grams: as of :func:`tfidf`.
        seed: of the sample and of the SVD.

    Example::

        rows = tfidf(corpus, words) @ topics(fitted, words, seed=0)  # (N,K)
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    rows = tfidf(_sample(fitted, grams, rng), *grams)
    return _singular_vectors(rows, min(TOPICS, *rows.shape), rng)


def _sample(fitted: Corpus, grams: tuple[Grams, ...], rng: np.random.Generator) -> Corpus:
    """Return random documents, as many as have about the maximum number of cells together."""
    order = rng.permutation(fitted.documents)[:_DOCUMENTS]
    trial = fitted.take(np.sort(order[:200]))
    cells = sum(each.count(trial).nnz for each in grams) / max(1, trial.documents)
    return fitted.take(np.sort(order[: max(200, int(_CELLS / max(1.0, cells)))]))


def _singular_vectors(rows: Any, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return the first right singular vectors (F,K) float32 of ``rows`` (N,F).

    Unlike ``randomized_svd`` of scikit-learn this decomposes only matrices of N or K rows, not of F
    ones, which is several times as fast for a few thousand documents of many features.
    """
    width, product = min(size + _EXTRA, *rows.shape), SparseRows(rows)
    start = rng.standard_normal((rows.shape[1], width), dtype=np.float32)
    span = _orthonormal(product.times(start))
    for _ in range(_ITERATIONS):
        span = _orthonormal(product.times(product.transposed_times(span)))
    small = product.transposed_times(span)  # (F,W)
    values, vectors = np.linalg.eigh((small.T @ small).astype(np.float64))
    order = np.argsort(-values)[:size]
    order = order[values[order] > 1e-6 * max(values.max(), 1e-12)]
    return small @ (vectors[:, order] / np.sqrt(values[order])).astype(np.float32)


def _orthonormal(columns: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis (N,W) of columns (N,W), in their precision unlike NumPy."""
    from scipy.linalg import qr

    return np.asarray(qr(columns, mode="economic", overwrite_a=True, check_finite=False)[0])
