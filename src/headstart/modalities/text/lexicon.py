"""Text as word ids: split into words once, so that counting is done by numpy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from headstart.modalities.text.scripts import composed, pattern

#: A letter of a script without spaces, or a word with its apostrophe.
_WORD = "<letter>|<run>(?:['\u2019]<run>)?"


@dataclass(frozen=True)
class Corpus:
    """Documents as word ids.

    Attributes:
        ids: (T,) int64, the words of all documents one after the other.
        owner: (T,) int64, the document that each word belongs to.
        documents: number of documents.
    """

    ids: np.ndarray
    owner: np.ndarray
    documents: int


class Lexicon:
    """Gives every word an id, in the order of first occurrence.

    Words are runs of letters and digits, case folded; in scripts without spaces (Chinese,
    Japanese, Thai, ...) every letter is a word, and word pairs are pairs of letters.
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def read(self, texts: Iterable[str]) -> Corpus:
        """Split texts into words; new words are added."""
        ids, find = self._ids, pattern(_WORD).findall
        lengths: list[int] = []

        def documents() -> Iterator[list[str]]:
            for text in texts:
                words = find(composed(text.lower()))
                lengths.append(len(words))
                yield words

        flat = (ids.setdefault(word, len(ids)) for word in chain.from_iterable(documents()))
        found = np.fromiter(flat, np.int64)
        return Corpus(found, np.repeat(np.arange(len(lengths)), lengths), len(lengths))
