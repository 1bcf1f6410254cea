"""Near duplicates of texts, by MinHash and banding; each pair is verified on the texts.

Candidates come from locality-sensitive hashing (Broder 1997; Leskovec et al., "Mining of Massive
Datasets", section 3.4); a pair counts when the exact Jaccard similarity of its shingles is
:data:`SIMILAR` or more, so that there are no false positives. Of pairs at just that similarity
99.8% become candidates, of pairs at 0.9 all but one in a million.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headstart.data.content import equal_digests
from headstart.data.store import stream
from headstart.modalities.text.exact import hashes as text_hashes
from headstart.modalities.text.shingles import jaccard, shingles

if TYPE_CHECKING:
    from datasets import Dataset

#: Least Jaccard similarity of the shingles of near duplicates.
SIMILAR = 0.8
#: A candidate is any pair that agrees in all hashes of one of the bands.
BANDS, ROWS = 21, 6
#: Hashes per text. The lower 8 bits of each are stored, to reject most wrong candidates early.
HASHES = 128
#: Constant cost per text of the search for near duplicates, in characters.
EACH = 1000
#: Most characters in which near duplicates are looked for before a split: about a minute.
MOST = 700_000_000

MISSING = (
    "Near duplicates of texts were not looked for: install the extra with `pip install "
    "'headstart[audit]'`."
)

_SEED = 1
_CHARACTERS, _TEXTS = 2**17, 1024
#: Most tested texts that are compared with one text because they agree in a band.
_CROWD = 16
#: Least agreement of the stored hashes for a pair to be verified: 4 deviations below SIMILAR.
_LIKELY = 0.66


def available() -> bool:
    """Return whether near duplicates can be found: the extra ``audit`` is installed."""
    return find_spec("rensa") is not None


class Sketches(NamedTuple):
    """Sketches of n texts, of 305 bytes each.

    Attributes:
        exact: (n,) uint64, hashes of the normalised texts.
        bands: (n,BANDS) uint64.
        bits: (n,HASHES) uint8.
        some: (n,) bool, False for texts without letters, which have no duplicates.
    """

    exact: np.ndarray
    bands: np.ndarray
    bits: np.ndarray
    some: np.ndarray


def sketches(records: Dataset) -> Iterator[Sketches]:
    """Yield the sketches of records in chunks, in order, reading each text once."""
    minhash = import_module("rensa").RMinHash
    held: list[str] = []
    size = 0
    for text in stream(records, "text"):
        held.append(text)
        size += len(text)
        if size >= _CHARACTERS or len(held) >= _TEXTS:
            yield _sketched(minhash, held)
            held, size = [], 0
    if held:
        yield _sketched(minhash, held)


def repeats(records: Dataset) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return the exact and the near duplicates of earlier texts.

    Returns:
        ``exact`` (n,) bool, True for exact duplicates, and the pairs of near ones (index of the
        later text, index of the earlier one), each later text once at most.
    """
    all_of = _held(records)
    exact = np.ones(len(all_of.exact), dtype=bool)
    exact[np.unique(all_of.exact, return_index=True)[1]] = False
    pairs = _candidates(all_of, ~exact)
    earlier = set(pairs[:, 1].tolist())
    return exact, sorted(_similar(records, records, pairs, earlier, set()))


def near_pairs(records: Dataset, notes: list[str]) -> np.ndarray:
    """Return pairs (m,2) of near duplicates that join all that a chain of them joins.

    Exact duplicates have one representative, the first. Of very many texts the first
    :data:`MOST` characters are searched, which is noted; so is a missing extra ``audit``.
    """
    if not available():
        notes.append(MISSING)
        return np.empty((0, 2), np.int64)
    searched = within(lengths(records), MOST)
    if searched < len(records):
        notes.append(
            f"Near duplicates were looked for among the first {searched:,} of {len(records):,} "
            "texts, so that others may be on both sides of the split."
        )
        records = records.select(range(searched))
    all_of = _held(records)
    first = np.zeros(len(all_of.exact), dtype=bool)
    first[np.unique(all_of.exact, return_index=True)[1]] = True
    root = list(range(len(first)))
    candidates = _candidates(all_of, first).tolist()
    found = [(one, other) for one, other in candidates if _joins(records, one, other, root)]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _joins(records: Dataset, one: int, other: int, root: list[int]) -> bool:
    """Return whether two texts are similar and not joined yet; they are then, in ``root``."""
    ends = []
    for index in (one, other):
        while root[index] != index:
            root[index] = root[root[index]]
            index = root[index]
        ends.append(index)
    if ends[0] == ends[1] or not _alike(records[one]["text"], records[other]["text"]):
        return False
    root[ends[0]] = ends[1]
    return True


def lengths(records: Dataset) -> np.ndarray:
    """Return (n,) int64, the characters of each text."""
    import pyarrow.compute as pc

    column = records.select_columns(["text"]).with_format("arrow")
    parts = [
        pc.utf8_length(batch["text"]).to_numpy().astype(np.int64)
        for batch in column.iter(batch_size=8192)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def within(sizes: np.ndarray, most: int) -> int:
    """Return how many texts of ``sizes`` can be searched at the cost of ``most`` characters."""
    return int(np.searchsorted(np.cumsum(sizes + EACH), most, side="right"))


def matches(
    background: Dataset, tested: Dataset, notes: list[str], thorough: bool = True
) -> Iterator[tuple[int, int, bool]]:
    """Yield (index in the background, index of a tested text, whether it is exact) of duplicates.

    Of equal tested texts only the first is yielded. A text of either side may be yielded several
    times. Memory is that of the tested texts' sketches. Without the extra ``audit`` only exact
    duplicates are found, which is noted.
    """
    if not available():
        notes.append(MISSING)
        digests = (text_hashes(stream(records, "text")) for records in (background, tested))
        yield from equal_digests(*digests)
        return
    known = _held(tested)
    exact, by_exact = np.unique(known.exact, return_index=True)
    usable = np.sort(by_exact)
    usable = usable[known.some[usable]]
    orders = [usable[np.argsort(known.bands[usable, band], kind="stable")] for band in range(BANDS)]
    bands = [known.bands[order, band] for band, order in enumerate(orders)]
    seen: set[int] = set()
    start = 0
    for part in sketches(background):
        same = _first(exact, part.exact)
        hit = np.flatnonzero(same >= 0)
        yield from ((start + int(at), int(by_exact[same[at]]), True) for at in hit)
        found = [np.empty((0, 2), np.int64)]
        for band, (keys, order) in enumerate(zip(bands, orders, strict=True)):
            found += _banded(keys, order, part.bands[:, band])
        pairs = np.unique(np.concatenate(found), axis=0)
        pairs = pairs[part.exact[pairs[:, 0]] != known.exact[pairs[:, 1]]]
        agree = _agreement(part.bits, pairs[:, 0], known.bits, pairs[:, 1])
        pairs = pairs[np.argsort(-agree, kind="stable")][: int((agree >= _LIKELY).sum())]
        pairs[:, 0] += start
        for index, match in _similar(background, tested, pairs, seen, set((hit + start).tolist())):
            yield index, match, False
        start += len(part.exact)


def _candidates(known: Sketches, first: np.ndarray) -> np.ndarray:
    """Return pairs (m,2) of indices (later, earlier) that agree in a band, the likeliest first.

    Args:
        first: (n,) bool, the texts to look at, of equal ones the first.
    """
    indices = np.flatnonzero(first & known.some)
    found = [np.empty((0, 2), np.int64)]
    for band in range(BANDS):
        found.append(indices[_crowded(known.bands[indices, band])])
    pairs = np.unique(np.concatenate(found), axis=0)
    agree = _agreement(known.bits, pairs[:, 0], known.bits, pairs[:, 1])
    likely: np.ndarray = pairs[np.argsort(-agree, kind="stable")][: int((agree >= _LIKELY).sum())]
    return likely


def _banded(keys: np.ndarray, order: np.ndarray, queries: np.ndarray) -> Iterator[np.ndarray]:
    """Yield pairs (m,2) of rows of ``queries`` and entries of ``order`` whose sorted keys agree."""
    rows = np.flatnonzero(_first(keys, queries) >= 0)
    at = _first(keys, queries[rows])
    for _ in range(_CROWD):
        yield np.stack([rows, order[at]], axis=1)
        at = at + 1
        on = at < len(keys)
        rows, at = rows[on], at[on]
        on = keys[at] == queries[rows]
        rows, at = rows[on], at[on]
        if not len(rows):
            return


def _held(records: Dataset) -> Sketches:
    """Return the sketches of all records, in preallocated arrays."""
    count = len(records)
    held = Sketches(
        np.empty(count, np.uint64),
        np.empty((count, BANDS), np.uint64),
        np.empty((count, HASHES), np.uint8),
        np.empty(count, dtype=bool),
    )
    start = 0
    for part in sketches(records):
        for whole, some in zip(held, part, strict=True):
            whole[start : start + len(some)] = some
        start += len(part.exact)
    return held


def _sketched(minhash: type, texts: list[str]) -> Sketches:
    hashes, offsets = shingles(texts)
    rows = minhash.digest_matrix_from_flat_token_hashes(  # type: ignore[attr-defined]
        hashes, offsets.astype(np.uint64), HASHES, _SEED
    ).to_rows()
    digests = np.array(rows, dtype=np.uint32).reshape(len(texts), HASHES)
    used = digests[:, : BANDS * ROWS].reshape(-1, BANDS, ROWS).astype(np.uint64)
    bands = np.zeros((len(texts), BANDS), np.uint64)
    for row in range(ROWS):
        bands *= np.uint64(0x9E3779B97F4A7C15)
        bands += used[:, :, row]
        bands ^= bands >> np.uint64(32)
    some = np.diff(offsets) > 0
    return Sketches(text_hashes(texts), bands, digests.astype(np.uint8), some)


def _crowded(keys: np.ndarray) -> np.ndarray:
    """Return pairs (m,2) of indices (later, earlier) with equal keys: first and previous."""
    order = np.argsort(keys, kind="stable")
    same = keys[order[1:]] == keys[order[:-1]]
    at = np.flatnonzero(same) + 1
    begins = np.concatenate([[True], ~same])
    firsts = np.maximum.accumulate(np.where(begins, np.arange(len(keys)), 0))[at]
    before = np.stack([order[at], order[at - 1]], axis=1)
    return np.concatenate([before, np.stack([order[at], order[firsts]], axis=1)])


def _first(known: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return where each key is first in the sorted ``known``, -1 where it is not."""
    at = np.searchsorted(known, keys)
    at[at == len(known)] = 0
    return np.where(known[at] == keys, at, -1) if len(known) else np.full(len(keys), -1)


def _agreement(
    one: np.ndarray, indices: np.ndarray, other: np.ndarray, matched: np.ndarray
) -> np.ndarray:
    """Return the share of hashes (m,) in which pairs agree, in chunks."""
    shares = np.empty(len(indices))
    for start in range(0, len(indices), 65536):
        part = slice(start, start + 65536)
        shares[part] = (one[indices[part]] == other[matched[part]]).mean(1)
    return shares


def _similar(
    one: Dataset, other: Dataset, pairs: np.ndarray, seen: set[int], done: set[int]
) -> Iterator[tuple[int, int]]:
    """Yield pairs whose texts are similar, except where both texts have been yielded already.

    ``seen`` and ``done`` are the indices in ``other`` and ``one`` that were yielded; they grow.
    """
    for index, match in pairs.tolist():
        if index in done and match in seen:
            continue
        if _alike(one[index]["text"], other[match]["text"]):
            done.add(index)
            seen.add(match)
            yield index, match


def _alike(one: str, other: str) -> bool:
    hashes, offsets = shingles([one, other])
    return bool(jaccard(hashes[: offsets[1]], hashes[offsets[1] :]) >= SIMILAR)
