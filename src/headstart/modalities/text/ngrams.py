"""N-grams of words, and of characters within words, counted as sparse matrices.

What is counted is decided by texts without labels: n-grams that occur in two documents or more (if
there are any), the most widespread ones. Everything works on a bounded number of tokens at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from scipy import sparse

from headstart.modalities.text.lexicon import DOCUMENTS, Corpus, Lexicon

#: Lengths of n-grams of characters, the space on either side of a word included.
SHORTEST, LONGEST = 2, 5
#: Tokens of documents in memory at once, and characters of different tokens.
TOKENS, CHARACTERS = 1_000_000, 2_000_000
#: Maximum number of tokens in which the documents of an n-gram of characters are counted.
_COUNTED = 5_000_000
#: Bits of the number of a word; those after the first eight million are left out.
WORD_BITS = 23
#: Base of the polynomial hash of characters: odd, and random otherwise.
BASE = np.uint64(0x9E3779B97F4A7C15)


class Words:
    """All words of a lexicon, those that were never counted included.

    Args:
        lexicon: knows the words of all documents that will be counted.
        fitted: documents of tokens, without labels.

    Attributes:
        idf: (F,) float32, ln((1 + N) / (1 + df)) + 1.
    """

    def __init__(self, lexicon: Lexicon, fitted: Corpus) -> None:
        self._lexicon, self._size = lexicon, len(lexicon.words)
        spread = _documents(map(self.count, fitted.parts(TOKENS)), self._size)
        self.idf = _idf(spread, fitted.documents)

    def count(self, corpus: Corpus) -> Any:
        """Return how often each occurs in documents of tokens: CSR (N,F) float32."""
        return _table(self._lexicon.words_of(corpus), self._size)


class WordGrams:
    """Words, and pairs of neighbouring words.

    Args:
        lexicon: knows the words of all documents that will be counted.
        fitted: documents of tokens, without labels.
        most: maximum number of n-grams.

    Attributes:
        keys: (F,) uint64, rising: of a word its number in the lexicon, of a pair both numbers.
        idf: as of :class:`Words`.
    """

    def __init__(self, lexicon: Lexicon, fitted: Corpus, most: int) -> None:
        self._lexicon = lexicon
        found = _merged(_spread(*self._grams(part)) for part in fitted.parts(TOKENS))
        kept = _widespread(found[1], most)
        self.keys, spread = found[0][kept], found[1][kept]
        self.idf = _idf(spread, fitted.documents)

    @classmethod
    def known(cls, lexicon: Lexicon, keys: np.ndarray, idf: np.ndarray) -> Self:
        """Return n-grams that were found before, by numbers of ``lexicon``."""
        self = cls.__new__(cls)
        self._lexicon, self.keys, self.idf = lexicon, keys, idf
        return self

    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers (F,) int64 of the words, and of those after them; -1 for none."""
        first = (self.keys >> np.uint64(WORD_BITS)).astype(np.int64) - 1
        last = (self.keys & np.uint64(2**WORD_BITS - 1)).astype(np.int64)
        return np.where(first < 0, last, first), np.where(first < 0, -1, last)

    @staticmethod
    def keys_of(words: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Return the keys (F,) uint64 of :meth:`parts`."""
        first, last = words.astype(np.uint64), after.astype(np.uint64)
        pairs = ((first + np.uint64(1)) << np.uint64(WORD_BITS)) + last
        return np.where(after < 0, first, pairs)

    def count(self, corpus: Corpus) -> Any:
        """Return how often each occurs in documents of tokens: CSR (N,F) float32."""
        keys, owner = self._grams(corpus)
        return _counts(self.keys, keys, owner, corpus.documents)

    def _grams(self, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
        """Return a key for every word and pair of neighbours, and the document of each."""
        words = self._lexicon.words_of(corpus)
        known = words.ids < 2**WORD_BITS
        ids, owner = words.ids.astype(np.uint64), words.owner
        pairs = np.flatnonzero((owner[1:] == owner[:-1]) & known[1:] & known[:-1])
        both = self.keys_of(ids[pairs], ids[pairs + 1].astype(np.int64))
        return np.concatenate([ids[known], both]), np.concatenate([owner[known], owner[pairs]])


class CharacterGrams:
    """N-grams of 2 to 5 characters within tokens, the space on either side included.

    These are the features of scikit-learn's ``CountVectorizer(analyzer="char_wb")``. Those of each
    different token are found once; counts of documents are a product of two sparse matrices.

    Args:
        lexicon: knows the tokens of all documents that will be counted.
        fitted: documents of tokens, without labels.
        most: maximum number of n-grams.

    Attributes:
        keys: (F,) uint64, rising: a hash of each.
        idf: as of :class:`Words`.
    """

    def __init__(self, lexicon: Lexicon, fitted: Corpus, most: int) -> None:
        tokens = lexicon.tokens
        spread = _documents(
            (_table(part, len(tokens)) for part in fitted.parts(TOKENS)), len(tokens)
        )
        seen = np.flatnonzero(spread)
        # No n-gram is in more documents than its tokens are together, which is fast to sum up.
        keys, bound = _merged(
            _summed(keys, spread[seen[part][owner]])
            for part, keys, owner in _token_grams([tokens[index] for index in seen])
        )
        features = keys[_widespread(bound, most)]
        self._of_tokens = _in_tokens(features, tokens)
        counted = next(fitted.parts(_COUNTED))
        spread = _documents(map(self.count, counted.parts(TOKENS // 10)), len(features))
        kept = _widespread(spread, most)
        self._of_tokens = self._of_tokens[:, kept]
        self.keys = features[kept]
        self.idf = _idf(spread[kept], counted.documents)

    @classmethod
    def known(cls, lexicon: Lexicon, keys: np.ndarray, idf: np.ndarray) -> Self:
        """Return n-grams that were found before, to be counted in the tokens of ``lexicon``."""
        self = cls.__new__(cls)
        self._of_tokens, self.keys, self.idf = _in_tokens(keys, lexicon.tokens), keys, idf
        return self

    def count(self, corpus: Corpus) -> Any:
        """Return how often each occurs in documents of tokens: CSR (N,F) float32."""
        return _table(corpus, self._of_tokens.shape[0]) @ self._of_tokens


def _in_tokens(features: np.ndarray, tokens: Sequence[str]) -> Any:
    """Return how often each feature (F,) is in each token: CSR (T,F) float32."""
    return sparse.vstack(
        [
            sparse.csr_matrix((0, len(features)), dtype=np.float32),
            *(
                _counts(features, keys, owner, part.stop - part.start)
                for part, keys, owner in _token_grams(tokens)
            ),
        ],
        format="csr",
    )


def _token_grams(tokens: Sequence[str]) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield the n-grams of tokens, some at a time.

    They are which tokens, a key (G,) uint64 of each n-gram, and the token (G,) it is in, counted
    from the first of these.
    """
    ends = np.cumsum([len(token) for token in tokens])
    first = 0
    while first < len(tokens):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + CHARACTERS, side="right")))
        yield slice(first, last), *character_grams(tokens[first:last])
        first = last


def character_grams(tokens: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return a key (G,) uint64 of each n-gram of tokens, and the token (G,) int32 it is in.

    The key is a polynomial hash; two n-grams share one with a probability of about 2^-64.
    """
    text = f" {' '.join(tokens)} ".encode("utf-32-le", "surrogatepass")
    characters = np.frombuffer(text, dtype=np.uint32).astype(np.uint64)
    spaces = characters == ord(" ")
    token = np.cumsum(spaces, dtype=np.int32) - 1
    hashed, inside = characters + BASE, np.ones(len(characters), dtype=bool)
    keys, owners = [], []
    for length in range(SHORTEST, LONGEST + 1):
        # Windows of n characters, in which only the first and the last one may be spaces.
        hashed = hashed[:-1] * BASE + characters[length - 1 :]
        inside = inside[:-1] & ~spaces[length - 2 : -1] if length > 2 else inside[:-1]
        keys.append(hashed[inside])
        owners.append(token[: len(inside)][inside])
    return np.concatenate(keys), np.concatenate(owners)


def _counts(features: np.ndarray, keys: np.ndarray, owner: np.ndarray, rows: int) -> Any:
    """Return how often each feature (F,), sorted, is among the keys of each owner."""
    columns = np.searchsorted(features, keys)
    columns[columns == len(features)] = 0
    known = features[columns] == keys if len(features) else np.zeros(len(keys), dtype=bool)
    shape = (rows, len(features))
    ones = np.ones(int(known.sum()), dtype=np.float32)
    return sparse.csr_matrix((ones, (owner[known], columns[known])), shape=shape)


def _table(corpus: Corpus, tokens: int) -> Any:
    """Return how often each token occurs in each document: CSR (N,T) float32."""
    ones = np.ones(len(corpus.ids), dtype=np.float32)
    table = sparse.csr_matrix((ones, (corpus.owner, corpus.ids)), shape=(corpus.documents, tokens))
    table.sum_duplicates()
    return table


def _documents(tables: Iterable[Any], width: int) -> np.ndarray:
    """Return in how many rows of the tables each column is not zero."""
    total = np.zeros(width, dtype=np.int64)
    for table in tables:
        total += np.bincount(table.indices, minlength=width)
    return total


def _spread(keys: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different keys of words or pairs, sorted, and how many documents each is in."""
    bits = np.uint64(DOCUMENTS.bit_length() - 1)
    # Key and document fit into one number: sorting numbers is many times faster than sorting rows.
    joint = (keys << bits) + owner.astype(np.uint64)
    joint.sort()
    different = joint[_starts(joint)] >> bits
    starts = np.flatnonzero(_starts(different))
    return different[starts], np.diff(starts, append=len(different))


def _starts(values: np.ndarray) -> np.ndarray:
    """Return where a new value starts in sorted ones."""
    return np.diff(values, prepend=values[:1] + np.uint64(1)) != 0


def _summed(keys: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different keys, and the sum of the weights of each."""
    found, inverse = np.unique(keys, return_inverse=True)
    return found, np.bincount(inverse, weights, minlength=len(found))


def _merged(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the different keys of all parts, and the sum of their weights."""
    keys, weights = zip(*parts, strict=True)
    return _summed(np.concatenate(keys), np.concatenate(weights))


def _widespread(spread: np.ndarray, most: int) -> np.ndarray:
    """Return the sorted indices of the most widespread features, of two documents or more."""
    order = np.argsort(-spread, kind="stable")[:most]
    if (spread > 1).any():
        order = order[spread[order] > 1]
    return np.sort(order)


def _idf(spread: np.ndarray, documents: int) -> np.ndarray:
    return (np.log((1 + documents) / (1 + spread)) + 1).astype(np.float32)
