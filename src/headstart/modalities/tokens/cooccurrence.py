"""Token vectors from co-occurrence counts within documents."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import sparse

from headstart.modalities.tokens.token_file import TokenFile
from headstart.seeding import derive, numbers

WINDOW = 5
#: Words more than this many times as frequent as the average are subsampled before counting. That
#: is the 1e-4 of Mikolov et al., 2013, in a full lexicon, and spares the characters of a small one.
_THINNING = 2.0
#: Context counts are raised to this power (Levy et al., 2015, "context distribution smoothing").
_SMOOTHING = 0.75
#: Most tokens of a corpus that are counted, and most token types that get a vector.
_COUNTED, _KINDS = 6_000_000, 10_000


def vectors_of_tokens(
    file: TokenFile, vocabulary: int, size: int, seed: int, share: float = 1.0
) -> np.ndarray:
    """Return vectors (V,size) float32 of a corpus's tokens; those of rare tokens are zero.

    Args:
        file: up to six million of its tokens are counted, in an even sample of documents.
        vocabulary: V.
        share: of these six million.
    """
    most = max(1, int(share * _COUNTED))
    stride = max(1, math.ceil(len(file.tokens) / most))
    # Memory depends on the sample, not on the corpus: one document may be all of it.
    chosen = np.arange(0, len(file.offsets) - 1, stride)
    starts = file.offsets[chosen]
    lengths = np.minimum(file.offsets[chosen + 1] - starts, most)
    owner = np.repeat(chosen, lengths)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    ids = file.tokens[np.repeat(starts, lengths) + within].astype(np.int64)
    counts = np.bincount(ids, minlength=vocabulary)
    kept, vectors = vectors_of_counts(ids, owner, counts, _KINDS, size, seed)
    found = np.zeros((vocabulary, size), dtype=np.float32)
    found[kept, : vectors.shape[1]] = vectors
    return found


def vectors_of_counts(
    ids: np.ndarray, owner: np.ndarray, counts: np.ndarray, most: int, size: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the most frequent ids (W,), and for each its vector (W,size) float32.

    The vectors are U sqrt(S) of a truncated SVD of the positive pointwise mutual information
    (Levy and Goldberg, 2014, "Neural Word Embedding as Implicit Matrix Factorization"; Levy,
    Goldberg and Dagan, 2015, "Improving Distributional Similarity with Lessons Learned from Word
    Embeddings"): on a few million words they are as good as word2vec, in seconds.

    Args:
        ids: (T,) of all documents one after the other.
        owner: (T,) document of each id.
        counts: (V,) how often each id occurs.
        most: largest W.
        size: most dimensions.
        seed: of the thinning and of the SVD's random projection.
    """
    kept = np.argsort(-counts, kind="stable")[:most]
    kept = kept[counts[kept] > 0]
    index = np.full(len(counts), -1, dtype=np.int64)
    index[kept] = np.arange(len(kept))
    frequency = counts[kept] / max(1, counts.sum())
    rng = numbers(seed, "thinning")
    together = _cooccurrence(index[ids], owner, frequency, rng)
    return kept, _factorise(_ppmi(together), size, derive(seed, "svd"))


def _cooccurrence(
    indices: np.ndarray, owner: np.ndarray, frequency: np.ndarray, rng: np.random.Generator
) -> Any:
    """Count (W,W) how often two words occur within the window, in one document."""
    keep_probability = np.minimum(1, np.sqrt(_THINNING * frequency.mean() / frequency))
    kept = (indices >= 0) & (rng.random(len(indices)) < np.append(keep_probability, 0)[indices])
    indices, owner = indices[kept].astype(np.int32), owner[kept]
    shape = (len(frequency), len(frequency))
    total = sparse.csr_matrix(shape, dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        together = owner[distance:] == owner[:-distance]
        left, right = indices[:-distance][together], indices[distance:][together]
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


def _factorise(matrix: Any, size: int, seed: int) -> np.ndarray:
    from sklearn.utils.extmath import randomized_svd

    size = min(size, matrix.shape[0])
    left, strength, _ = randomized_svd(matrix, size, n_iter=2, random_state=seed % 2**32)
    return np.asarray(left * np.sqrt(strength), dtype=np.float32)
