"""Exact and near duplicates of images.

Two images are near duplicates if their perceptual hashes (ImageHash's ``phash``: the signs of the
lowest 8 x 8 frequencies) nearly agree and their grey values correlate: images that were
recompressed, resized, blurred, brightened or slightly edited, but not cropped, rotated or flipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.data.audit import Audit
from headstart.data.survey import spread
from headstart.modalities.file_values import FileValues
from headstart.modalities.image.decode import BadImage, square

if TYPE_CHECKING:
    from datasets import Dataset

#: Most images that are compared for near duplicates.
MOST_COMPARED = 50_000
#: Most images that are compared before a split, at one or two milliseconds each.
MOST_SPLIT = 10_000
#: Near duplicates differ in at most this many of the 64 bits of their hashes ...
BITS = 8
#: ... and their greys, in a 16 x 16 grid, correlate at least this much: hashes of simple images
#: are similar.
ALIKE = 0.98

MISSING = (
    "Near duplicates of pictures were not looked for: install the extra with `pip install "
    "'headstart[audit]'`."
)

_FILES = FileValues("image", "picture", ())
_SIDE = 16
_CHUNK = 512


class Prints(NamedTuple):
    """Fingerprints of n images: indices (n,), hashes (n,) uint64, small greys (n,256) float32."""

    indices: np.ndarray
    hashes: np.ndarray
    small: np.ndarray


def available() -> bool:
    """Return whether near duplicates can be found: the extra ``audit`` is installed."""
    return find_spec("imagehash") is not None


def repeats(records: Dataset, audit: Audit) -> int:
    """Return how many images have the same bytes as an earlier one, see :class:`FileValues`."""
    return _FILES.repeats(records, audit, "pictures")


def digests(records: Dataset) -> np.ndarray:
    """Return (n,) uint64, a hash of the bytes of each image; missing files are equal."""
    return _FILES.digests(records)


def near_repeats(records: Dataset, audit: Audit) -> list[tuple[int, int]]:
    """Return pairs (index of an image, index of the earlier near duplicate).

    Each image occurs once at most, with the nearest; exact duplicates are included. Of very many
    images an even sample of :data:`MOST_COMPARED` is searched, which is noted in ``audit``.
    """
    return [(image, earlier[0]) for image, earlier in _near(records, audit.notes, MOST_COMPARED)]


def near_pairs(records: Dataset, notes: list[str]) -> np.ndarray:
    """Return all pairs (m,2) of an image and an earlier near duplicate.

    Of very many images an even sample of :data:`MOST_SPLIT` is searched, which is noted; so is a
    missing extra ``audit``.
    """
    if not available():
        notes.append(MISSING)
        return np.empty((0, 2), np.int64)
    near = _near(records, notes, MOST_SPLIT)
    pairs = [(image, one) for image, earlier in near for one in earlier]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _near(records: Dataset, notes: list[str], most: int) -> Iterator[tuple[int, list[int]]]:
    """Yield (index of an image, indices of its earlier near duplicates, the nearest first)."""
    chosen = spread(len(records), most)
    if len(chosen) < len(records):
        notes.append(
            f"Near duplicates were looked for among {len(chosen):,} of {len(records):,} pictures."
        )
    known = _joined(list(_prints(records, chosen)))
    for start in range(0, len(known.hashes), _CHUNK):
        part = Prints(*(column[start : start + _CHUNK] for column in known))
        for at, rows in _alike(part, known, until=start):
            yield int(known.indices[start + at]), known.indices[rows].tolist()


def matches(
    background: Dataset, tested: Dataset, notes: list[str], *, most: int | None = MOST_COMPARED
) -> Iterator[tuple[int, int, bool]]:
    """Yield (index in the background, index of a tested image, whether it is exact) of duplicates.

    Exact ones have the same bytes (and are yielded as near ones, too). Without the extra ``audit``
    only those are found, which is noted. Images that cannot be decoded are skipped.

    Args:
        notes: a note is appended where not all was searched.
        most: size of an even sample of the background that is compared; None for all.
    """
    for index, match in _FILES.same_bytes(background, tested):
        yield index, match, True
    if not available():
        notes.append(MISSING)
        return
    known = _joined(list(_prints(tested, np.arange(len(tested)))))
    chosen = spread(len(background), most)
    if len(chosen) < len(background):
        notes.append(
            f"Near duplicates were looked for among {len(chosen):,} of the "
            f"{len(background):,} pictures of the pre-training."
        )
    for part in _prints(background, chosen):
        for at, rows in _alike(part, known):
            for match in known.indices[rows].tolist():
                yield int(part.indices[at]), match, False


def _prints(records: Dataset, indices: np.ndarray) -> Iterator[Prints]:
    """Yield the fingerprints of the decodable images at ``indices``, in chunks."""
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(indices), _CHUNK):
            chosen = indices[start : start + _CHUNK]
            values = records.select(chosen)[:]["image"]
            found = list(pool.map(_print, values))
            sound = [index for index, one in enumerate(found) if one is not None]
            kept = [one for one in found if one is not None]
            yield Prints(
                chosen[sound],
                np.array([hashed for hashed, _ in kept], np.uint64),
                np.array([small for _, small in kept], np.float32).reshape(-1, _SIDE**2),
            )


def _print(value: Mapping[str, Any]) -> tuple[np.uint64, np.ndarray] | None:
    """Return the perceptual hash and the normalised small image, None for a damaged one."""
    from PIL import Image

    imagehash = import_module("imagehash")
    try:
        grey = Image.fromarray(square(value, 2 * _SIDE)).convert("L")
    except BadImage:
        return None
    small = np.asarray(grey, np.float32).reshape(_SIDE, 2, _SIDE, 2).mean((1, 3)).ravel()
    small -= small.mean()
    small /= max(float(np.linalg.norm(small)), 1e-6)
    return np.packbits(imagehash.phash(grey).hash.ravel()).view(np.uint64)[0], small


def _joined(parts: list[Prints]) -> Prints:
    if not parts:
        return Prints(np.empty(0, np.int64), np.empty(0, np.uint64), np.empty((0, _SIDE**2)))
    return Prints(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _alike(
    part: Prints, known: Prints, until: int | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (row of ``part``, rows of ``known`` that are near duplicates, the nearest first).

    With ``until``, ``part`` starts at that row of ``known`` itself, and only earlier rows count.
    """
    for at, hashed in enumerate(part.hashes):
        before = slice(None if until is None else until + at)
        near = np.flatnonzero(np.bitwise_count(known.hashes[before] ^ hashed) <= BITS)
        if len(near):
            alike = known.small[near] @ part.small[at]
            chosen = np.argsort(-alike, kind="stable")[: int((alike >= ALIKE).sum())]
            if len(chosen):
                yield at, near[chosen]
