"""Text as ids: split once, so that counting is done by numpy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.store import stream
from headstart.modalities.text.scripts import folded, pattern
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

#: A letter of a script without spaces, or a word with its apostrophe.
WORD = "<letter>|<run>(?:['\u2019]<run>)?"
#: Maximum number of documents in a part of a corpus.
DOCUMENTS = 2**16


@dataclass(frozen=True)
class Corpus:
    """Documents as ids of tokens or of words.

    Attributes:
        ids: (T,) int32, those of all documents one after the other.
        owner: (T,) int32, the document that each belongs to.
        documents: number of documents.
    """

    ids: np.ndarray
    owner: np.ndarray
    documents: int

    def __getitem__(self, documents: slice) -> Corpus:
        """Return consecutive documents."""
        first, last, _ = documents.indices(self.documents)
        start, end = np.searchsorted(self.owner, [first, last])
        return Corpus(self.ids[start:end], self.owner[start:end] - np.int32(first), last - first)

    def take(self, documents: np.ndarray) -> Corpus:
        """Return documents of these indices (N,), in this order."""
        starts = np.searchsorted(self.owner, documents)
        lengths = np.searchsorted(self.owner, documents, side="right") - starts
        shift = np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
        owner = np.repeat(np.arange(len(documents), dtype=np.int32), lengths)
        return Corpus(self.ids[np.arange(len(shift)) + shift], owner, len(documents))

    def parts(self, size: int) -> Iterator[Corpus]:
        """Yield consecutive documents with about ``size`` ids together, one document at least."""
        ends = np.searchsorted(self.owner, np.arange(1, self.documents + 1))
        first = 0
        while first < self.documents:
            fit = np.searchsorted(ends, (ends[first - 1] if first else 0) + size, side="right")
            last = min(max(first + 1, int(fit)), first + DOCUMENTS)
            yield self[first:last]
            first = last


class Lexicon:
    """Gives ids to tokens and to words, in the order of first occurrence.

    A token is what stands between spaces, in lower case, with its punctuation. It contains words:
    runs of letters and digits; in scripts without spaces (Chinese, Japanese, Thai, ...) every
    letter is a word, and word pairs are pairs of letters. Texts are split at spaces only; each
    different token is split into words once.

    Args:
        words: that have the first ids.
    """

    def __init__(self, words: Mapping[str, int] | None = None) -> None:
        self._tokens, self._words = _Ids(), _Ids(words or {})
        self._parts = np.empty(0, dtype=np.int32)
        self._starts = np.zeros(1, dtype=np.int64)

    @property
    def tokens(self) -> list[str]:
        """All tokens, by id."""
        return list(self._tokens)

    @property
    def words(self) -> list[str]:
        """All words, by id."""
        return list(self._words)

    def read(self, texts: Iterable[str]) -> Corpus:
        """Split texts into tokens; new tokens and words are added."""
        known, lengths = len(self._tokens), list[int]()

        def documents() -> Iterator[list[str]]:
            for text in texts:
                tokens = folded(text).split()
                lengths.append(len(tokens))
                yield tokens

        flat = chain.from_iterable(documents())
        ids = np.fromiter(map(self._tokens.__getitem__, flat), np.int32)
        self._split(self.tokens[known:])
        owner = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        return Corpus(ids, owner, len(lengths))

    def words_of(self, corpus: Corpus) -> Corpus:
        """Return documents of tokens as documents of words."""
        counts = np.diff(self._starts)[corpus.ids]
        # Where the words of each token lie, less where they go.
        shift = np.repeat(self._starts[corpus.ids] - np.cumsum(counts) + counts, counts)
        ids = self._parts[np.arange(len(shift)) + shift]
        return Corpus(ids, np.repeat(corpus.owner, counts), corpus.documents)

    def _split(self, tokens: list[str]) -> None:
        """Note the words of new tokens."""
        find = pattern(WORD).findall
        found = [find(token) for token in tokens]
        flat = map(self._words.__getitem__, chain.from_iterable(found))
        self._parts = np.concatenate([self._parts, np.fromiter(flat, np.int32)])
        ends = self._starts[-1] + np.cumsum([len(words) for words in found], dtype=np.int64)
        self._starts = np.concatenate([self._starts, ends])


class _Ids(dict[str, int]):
    """Numbers its keys in the order in which they are first looked up."""

    def __missing__(self, key: str) -> int:
        self[key] = number = len(self)
        return number


def sample(records: Dataset, most: int, letters: int, seed: int) -> Dataset:
    """Return random texts: at most so many, and together about so many letters."""
    rng = np.random.Generator(np.random.PCG64(derive(seed, "unlabeled")))
    order = rng.permutation(len(records))
    trial = records.select(np.sort(order[:1000]))
    mean = sum(map(len, stream(trial, "text"))) / max(1, len(trial))
    most = min(most, int(letters / max(1.0, mean)))
    return records if most >= len(order) else records.select(np.sort(order[:most]))
