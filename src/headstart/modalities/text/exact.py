"""Exact duplicates, found with one 64-bit hash per text, so that memory stays small."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import islice

import numpy as np

from headstart.modalities.text.scripts import folded


def normalise(text: str) -> str:
    """Return the form in which two texts count as equal: NFC, case and runs of spaces folded."""
    return " ".join(folded(text).split())


def hashes(texts: Iterable[str]) -> np.ndarray:
    """Return (n,) uint64, one hash of the normalised form per text."""
    digests = (hashlib.blake2b(normalise(text).encode(), digest_size=8).digest() for text in texts)
    parts = iter(lambda: b"".join(islice(digests, 8192)), b"")
    return np.concatenate(
        [np.frombuffer(part, dtype=np.uint64) for part in parts] or [np.empty(0, np.uint64)]
    )
