"""Text as word ids: cut into words once, so that all counting afterwards is numpy's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

#: Characters of scripts that put no space between words; each counts as a word of its own.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff"
_LETTERS = rf"[^\W_{_UNSPACED}]+"
_WORD = re.compile(rf"[{_UNSPACED}]|{_LETTERS}(?:['\u2019]{_LETTERS})?")


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
    """Gives every word an id, in the order of first sight.

    Words are runs of letters and digits, case folded; of scripts without spaces (Chinese,
    Japanese, Thai, ...) every character is one, so that word pairs are character pairs there.
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def read(self, texts: Iterable[str]) -> Corpus:
        """Cut texts into words; words not met before are added."""
        ids = self._ids
        lengths: list[int] = []

        def documents() -> Iterator[list[str]]:
            for text in texts:
                words = _WORD.findall(text.lower())
                lengths.append(len(words))
                yield words

        flat = (ids.setdefault(word, len(ids)) for word in chain.from_iterable(documents()))
        found = np.fromiter(flat, np.int64)
        return Corpus(found, np.repeat(np.arange(len(lengths)), lengths), len(lengths))
