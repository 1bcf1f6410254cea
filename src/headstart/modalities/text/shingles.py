"""Texts as sets of short runs of characters, from which near duplicates are found."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache as once

import numpy as np

from headstart.modalities.text.scripts import LETTERS, MARKS, ranges, unspaced

#: Characters of a shingle, and of one that begins in a script without spaces, where a character
#: carries about as much as two or three letters do.
WIDTH, DENSE_WIDTH = 5, 3

_OTHER, _LETTER, _DENSE, _END, _SKIPPED = range(5)
_BMP = 0x10000
#: Characters of each kind, later kinds take precedence; joiners and variants are skipped.
_KINDS = {
    _LETTER: r"\p{L}\p{N}\p{M}",
    _DENSE: unspaced(LETTERS + MARKS),
    _SKIPPED: r"\p{Join_Control}\p{Variation_Selector}",
}
#: Odd multipliers of MurmurHash3's finaliser and of SplitMix64; products wrap at 64 bits.
_FIRST, _SECOND = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(33)


def shingles(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the hashed shingles of many texts, and the offsets of each text.

    Case is folded, and a run of characters other than letters, marks and digits counts as one
    space, so that punctuation and layout do not matter. A text shorter than a shingle is one
    shingle, and one without letters has none.

    Returns:
        ``hashes`` (S,) uint64 with repetitions, and ``offsets`` (n+1,) int64: the shingles of
        text i are ``hashes[offsets[i]:offsets[i + 1]]``.
    """
    # Every text begins with a space and ends with as many NULs (which no text holds) as keep a
    # shingle from reaching into the next one.
    ended = "\0" * (WIDTH - 1)
    joined = "".join(f" {_folded(text)}{ended}" for text in texts)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    if not len(points):
        return np.empty(0, np.uint64), np.zeros(1, np.int64)
    kinds = _kinds()[np.minimum(points, _BMP - 1)]
    points, kinds = points[kinds != _SKIPPED], kinds[kinds != _SKIPPED]
    kept = kinds != _OTHER
    kept[:-1] |= (kinds[1:] == _LETTER) | (kinds[1:] == _DENSE)  # of a run of others the last
    points, kinds = points[kept], kinds[kept]
    values = np.where(kinds == _OTHER, ord(" "), points).astype(np.uint64)
    values *= _FIRST
    values ^= values >> _HALF

    count = len(values) - WIDTH + 1
    hashes = values[:count].copy()
    closed = kinds[WIDTH - 1 :] == _END
    dense = kinds[:count] == _DENSE
    some = bool(dense.any())
    for index in range(1, WIDTH):
        if some and index == DENSE_WIDTH:
            short = hashes[dense]
        hashes *= _STEP
        hashes += values[index : count + index]
    if some:
        hashes[dense] = short
        closed[dense] = kinds[DENSE_WIDTH - 1 : count + DENSE_WIDTH - 1][dense] == _END
    hashes ^= hashes >> _HALF
    hashes *= _SECOND
    hashes ^= hashes >> _HALF

    ends = kinds[:count] == _END
    first = ~ends
    first[1:] &= ends[:-1]
    whole = ~ends & (~closed | first)
    owners = np.cumsum(ends, dtype=np.int32)[whole] // (WIDTH - 1)
    counts = np.bincount(owners, minlength=len(texts))
    return hashes[whole], np.concatenate([[0], np.cumsum(counts)])


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Jaccard similarity of two sets of shingles, 0..1."""
    one, other = np.unique(one), np.unique(other)
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / max(1, len(one) + len(other) - both)


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).lower()


@once
def _kinds() -> np.ndarray:
    """Return the kind (65536,) uint8 of each character.

    Characters beyond (rare letters, emoji) have the kind of the last one, a letter.
    """
    kinds = np.full(_BMP, _OTHER, np.uint8)
    for kind, properties in _KINDS.items():
        for first, last in ranges(properties):
            kinds[first : last + 1] = kind
    kinds[0], kinds[-1] = _END, _LETTER
    return kinds
