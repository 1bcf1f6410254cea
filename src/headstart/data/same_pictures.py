"""Pictures that repeat others: the same bytes, or nearly the same to look at."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.audit import Audit
from headstart.data.pictures import BadPicture, square

if TYPE_CHECKING:
    from datasets import Dataset

#: Files whose sizes are asked for, and bytes that are hashed, when duplicates are counted.
MOST_FILES, MOST_BYTES = 100_000, 2**31
#: Pictures of the background that are compared with those of a test.
MOST_COMPARED = 100_000
#: Two pictures are nearly the same when so many of the 56 bits of their hashes differ at most ...
BITS = 8
#: ... and their colours, in an 8 x 8 grid, differ by so much on average, of 255.
COLOURS = 12.0

_CHUNK = 512


def repeats(records: Dataset, audit: Audit) -> int:
    """Return how many pictures have the same bytes as an earlier one.

    Only those of equal size are hashed. Of very many files, or of large pictures of one size, only
    the first are looked at, which is noted in ``audit``.
    """
    sizes = np.fromiter(_sizes(records), np.int64)
    values, times = np.unique(sizes[sizes >= 0], return_counts=True)
    twice = np.flatnonzero(np.isin(sizes, values[times > 1]))
    within = int(np.searchsorted(np.cumsum(sizes[twice]), MOST_BYTES, side="right"))
    seen: set[bytes] = set()
    hashed = 0
    for value in _pictures(records, twice[:within]):
        found = _content(value)
        if found is not None:
            hashed += 1
            seen.add(hashlib.blake2b(found, digest_size=8).digest())
    looked = len(sizes) if within == len(twice) else int(twice[within])
    if looked < len(records):
        audit.notes.append(
            f"Duplicates were looked for among the first {looked:,} of {len(records):,} pictures."
        )
    return hashed - len(seen)


def near_overlap(
    background: Dataset, test: Dataset, *, most: int = MOST_COMPARED
) -> list[tuple[str, str]]:
    """Return (id of a test picture, id of one of the background) for pictures nearly the same.

    Each test picture is named once at most, with the nearest one. Nearly the same are two
    pictures whose difference hashes (at 8 x 8 pixels, is each lighter than its left neighbour?)
    differ in :data:`BITS` bits or fewer, and whose colours are alike as well: what was
    recompressed, resized or slightly edited. Pictures that cannot be decoded are passed over.

    Args:
        most: pictures of the background that are compared, from all over it.
    """
    places = np.unique(np.linspace(0, len(background) - 1, min(len(background), most)).astype(int))
    names, hashes, colours = _prints(background, places)
    test_names, test_hashes, test_colours = _prints(test, np.arange(len(test)))
    found = []
    for at, name in enumerate(test_names):
        near = np.flatnonzero(np.bitwise_count(hashes ^ test_hashes[at]) <= BITS)
        if not len(near):
            continue
        apart = np.abs(colours[near].astype(np.int16) - test_colours[at]).mean(1)
        best = int(apart.argmin())
        if apart[best] <= COLOURS:
            found.append((name, names[near[best]]))
    return found


def _sizes(records: Dataset) -> Iterator[int]:
    """Yield the size in bytes of each picture, -1 for a missing file, up to so many files."""
    import pyarrow.compute as pc

    files = 0
    for batch in records.select_columns(["image"]).with_format("arrow").iter(_CHUNK):
        column = batch["image"].combine_chunks()
        lengths = pc.binary_length(pc.struct_field(column, "bytes")).to_pylist()
        paths = pc.struct_field(column, "path").to_pylist()
        for length, path in zip(lengths, paths, strict=True):
            if length is None:
                files += 1
                if files > MOST_FILES:
                    return
                try:
                    length = os.stat(path).st_size
                except OSError:
                    length = -1
            yield length


def _pictures(records: Dataset, places: np.ndarray) -> Iterator[Mapping[str, Any]]:
    for start in range(0, len(places), _CHUNK):
        yield from records.select(places[start : start + _CHUNK])[:]["image"]


def _content(value: Mapping[str, Any]) -> bytes | None:
    if value["bytes"] is not None:
        data: bytes = value["bytes"]
        return data
    try:
        with open(value["path"], "rb") as file:
            return file.read()
    except OSError:
        return None


def _prints(records: Dataset, places: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return names, hashes (n,) uint64 and colours (n,192) uint8 of pictures that are sound."""
    names: list[str] = []
    grids = [np.empty((0, 8, 8, 3), np.uint8)]
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(places), _CHUNK):
            rows = records.select(places[start : start + _CHUNK])[:]
            found = list(pool.map(_grid, rows["image"]))
            names += [name for name, g in zip(rows["id"], found, strict=True) if g is not None]
            grids += [grid[None] for grid in found if grid is not None]
    colours = np.concatenate(grids)
    grey = colours @ np.array([0.299, 0.587, 0.114], np.float32)
    lighter = (grey[:, :, 1:] > grey[:, :, :-1]).reshape(-1, 56)
    bits = np.packbits(np.pad(lighter, ((0, 0), (0, 8))), axis=1)
    return names, bits.view(np.uint64).reshape(-1), colours.reshape(-1, 192)


def _grid(value: Mapping[str, Any]) -> np.ndarray | None:
    """Return a picture at 8 x 8 pixels, None for one that cannot be decoded."""
    try:
        return square(value, 8)
    except BadPicture:
        return None
