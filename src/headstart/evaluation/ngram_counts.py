"""Exact counts of n-grams, order by order.

An n-gram is its context, the n-gram one token shorter, and its last token. With the index of the
context among the distinct ones as its id, every n-gram of any order is one 64-bit key, without
hashing, and one sort an order counts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

#: Places in a document beyond it are not told apart; no n-gram is as long.
_FAR = 255


@dataclass(frozen=True)
class Corpus:
    """Documents, one after another.

    Attributes:
        tokens: (N,) int32.
        places: (N,) uint8, the number of tokens before each one in its document, at most 255.
    """

    tokens: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, documents: Sequence[np.ndarray]) -> Corpus:
        """Join documents of token ids."""
        tokens = np.concatenate([np.empty(0, np.int32), *documents], dtype=np.int32)
        places = [np.minimum(np.arange(len(ids)), _FAR).astype(np.uint8) for ids in documents]
        return cls(tokens, np.concatenate([np.empty(0, np.uint8), *places]))

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Grams:
    """The distinct n-grams of one order; the id of an n-gram is its index.

    Attributes:
        keys: (G,) uint64, sorted: id of the context times the size of the vocabulary, plus the
            last token.
        counts: (G,) occurrences.
        contexts: number of distinct contexts.
    """

    keys: np.ndarray
    counts: np.ndarray
    contexts: int

    def owners(self, size: int) -> np.ndarray:
        """Return the id (G,) of each one's context, given the size of the vocabulary."""
        return (self.keys // np.uint64(size)).astype(np.int64)


def counted(corpus: Corpus, size: int) -> Iterator[tuple[Grams, np.ndarray]]:
    """Yield the n-grams of order 1, 2, ... of all documents, until none is as long.

    The first token of a document is only a context. Order 1 holds the whole vocabulary, unseen
    tokens included.

    Args:
        size: of the vocabulary.

    Yields:
        The n-grams of an order, and the continuation counts of those one token shorter: the
        number of distinct tokens before each, where every start of a document counts as one.
    """
    tokens, places = corpus.tokens, corpus.places
    ends = np.flatnonzero(places > 0)
    grams = Grams(
        np.arange(size, dtype=np.uint64), np.bincount(tokens[ends], minlength=size), contexts=1
    )
    yield grams, np.empty(0, dtype=np.int64)
    ids = tokens  # (N,) id of the n-gram that ends at each place
    for length in count(2):
        opening = ends[(places[ends] == length - 2)]
        ends = ends[places[ends] >= length - 1]
        if not len(ends):
            return
        keys = ids[ends - 1].astype(np.uint64) * np.uint64(size) + tokens[ends].astype(np.uint64)
        order = np.argsort(keys)
        keys = keys[order]
        fresh = np.concatenate([[True], keys[1:] != keys[:-1]])
        index = np.flatnonzero(fresh)
        total = len(grams.keys)
        continuations = np.bincount(ids[ends[order[index]]], minlength=total)
        continuations += np.bincount(ids[opening], minlength=total)
        longer = np.full(len(tokens), -1, dtype=np.int32)
        longer[ends[order]] = np.cumsum(fresh, dtype=np.int32) - 1
        ids = longer
        grams = Grams(keys[index], np.diff(np.append(index, len(keys))), contexts=total)
        del order, keys, fresh, index, longer
        yield grams, continuations


@dataclass(frozen=True)
class Matches:
    """Which n-grams of one order, and which contexts of them, a corpus of N tokens meets.

    Attributes:
        contexts: (N,) id of the context before each token, -1 where it is unknown.
        grams: (N,) id of the n-gram that ends with it, -1 where it is unknown.
    """

    contexts: np.ndarray
    grams: np.ndarray

    @classmethod
    def unigrams(cls, corpus: Corpus) -> Matches:
        """Return those of order 1."""
        return cls(np.zeros(len(corpus), dtype=np.int64), corpus.tokens.astype(np.int64))

    def extended(self, corpus: Corpus, keys: np.ndarray, size: int) -> Matches:
        """Return those of one order more, whose n-grams have ``keys`` (G,)."""
        contexts = np.concatenate([[-1], self.grams[:-1]])
        contexts[corpus.places == 0] = -1
        rows = np.flatnonzero(contexts >= 0)
        wanted = contexts[rows].astype(np.uint64) * np.uint64(size)
        wanted += corpus.tokens[rows].astype(np.uint64)
        # Sorted look-ups walk through the table once instead of missing the cache each time.
        order = np.argsort(wanted)
        wanted = wanted[order]
        index = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
        grams = np.full(len(contexts), -1)
        grams[rows[order]] = np.where(keys[index] == wanted, index, -1)
        return Matches(contexts, grams)
