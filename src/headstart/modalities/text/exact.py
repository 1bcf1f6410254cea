"""Exact duplicates, found with one 64-bit hash per text, so that memory stays small."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.store import stream

if TYPE_CHECKING:
    from datasets import Dataset


def normalise(text: str) -> str:
    """Return the form in which two texts count as equal: NFC, case and runs of spaces folded."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.casefold().split())


def hashes(texts: Iterable[str]) -> np.ndarray:
    """Return (n,) uint64, one hash of the normalised form per text."""
    digests = (hashlib.blake2b(normalise(text).encode(), digest_size=8).digest() for text in texts)
    parts = iter(lambda: b"".join(islice(digests, 8192)), b"")
    return np.concatenate(
        [np.frombuffer(part, dtype=np.uint64) for part in parts] or [np.empty(0, np.uint64)]
    )


def exact(texts: Iterable[str]) -> int:
    """Return how many texts repeat an earlier one."""
    found = hashes(texts)
    return len(found) - len(np.unique(found))


def matches(background: Dataset, tested: Dataset) -> Iterator[tuple[int, int, bool]]:
    """Yield (index in the background, index of the first equal tested text, True), in order."""
    known, first = np.unique(hashes(stream(tested, "text")), return_index=True)
    if not len(known):
        return
    texts = stream(background, "text")
    start = 0
    while some := list(islice(texts, 8192)):
        found = hashes(some)
        at = np.minimum(np.searchsorted(known, found), len(known) - 1)
        for index in np.flatnonzero(known[at] == found):
            yield start + int(index), int(first[at[index]]), True
        start += len(some)
