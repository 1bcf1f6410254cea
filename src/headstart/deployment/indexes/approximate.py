"""Approximate search with inverted lists, for about a million vectors and more.

::

    vectors --k-means--> lists of near vectors, a byte a number      (faiss, built once)
    query --> the nearest lists --> some hundred candidates --exact cosines--> the best

How many lists are looked into is decided by measuring: vectors of the index are asked for their
nearest ten, exactly and approximately. An index that finds too few of them is not used.
Inverted lists: Jégou, Douze and Schmid 2011, "Product quantization for nearest neighbor search".
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from headstart.deployment.indexes.exact import UnitVectors
from headstart.deployment.indexes.segments import REMEDY
from headstart.errors import HeadstartError
from headstart.stored import opening

#: From so many vectors on an index is approximate by default: an exact answer takes 0.1 s.
FROM = 1_000_000
#: The least recall that is used, and that which is looked for.
LEAST, GOOD = 0.95, 0.98
#: Vectors that the recall is measured with, and their nearest.
ASKED, NEAREST = 200, 10
#: Exact cosines are computed of so many candidates for each result, and of so many at least.
CANDIDATES, FEWEST = 10, 100
#: Vectors for each list that k-means sees.
_PER_LIST = 64
FILE = "lists.faiss"


def has_faiss() -> bool:
    """Return whether the library is installed."""
    from importlib.util import find_spec

    return find_spec("faiss") is not None


def require_faiss() -> Any:
    """Return the library.

    Raises:
        HeadstartError: it is not installed.
    """
    try:
        import faiss
    except ImportError:
        raise HeadstartError(
            "an approximate index needs faiss: pip install 'headstart[search]', or write "
            "--approximate off."
        ) from None
    return faiss


def build(vectors: np.ndarray, alive: np.ndarray, out: Path, seed: int = 0) -> tuple[int, float]:
    """Write the lists of vectors (N,D) of length 1 to a file.

    Args:
        alive: (N,) bool, the rows that count, of which the recall is measured.

    Returns:
        The number of lists to look into, and the recall of :data:`NEAREST` that was measured. It
        may be too low to be used.

    Raises:
        HeadstartError: faiss is not installed, or the vectors are too few.
    """
    faiss = require_faiss()
    rows, width = vectors.shape
    count = max(1, min(int(2 * rows**0.5), rows // 39))  # k-means of faiss wants 39 each
    generator = np.random.default_rng(seed)
    seen = np.sort(generator.choice(rows, min(rows, _PER_LIST * count), replace=False))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(width),
        width,
        count,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.cp.seed, index.cp.spherical = seed, True
    index.train(np.ascontiguousarray(vectors[seen]))
    for start in range(0, rows, 65_536):
        index.add(np.ascontiguousarray(vectors[start : start + 65_536]))
    faiss.write_index(index, str(out))
    return _measured(index, vectors, alive, count, generator)


def _measured(
    index: Any,
    vectors: np.ndarray,
    alive: np.ndarray,
    lists: int,
    generator: np.random.Generator,
) -> tuple[int, float]:
    """Return the fewest lists with a good recall, and that recall; else half of all and theirs."""
    rows = np.flatnonzero(alive)
    asked = np.sort(generator.choice(rows, min(len(rows), ASKED), replace=False))
    queries = np.ascontiguousarray(vectors[asked])
    found, _ = UnitVectors(vectors, are_units=True).nearest(queries, NEAREST + 1, alive)
    truth = [_others(near, own) for near, own in zip(found, asked, strict=True)]
    probes, recall = 1, 0.0
    while True:
        near, _ = nearest(index, vectors, queries, NEAREST + 1, probes, alive)
        got = [_others(one, own) for one, own in zip(near, asked, strict=True)]
        shared = [
            len(one & other) / max(1, len(one)) for one, other in zip(truth, got, strict=True)
        ]
        recall = float(np.mean(shared))
        if recall >= GOOD or probes * 2 > max(1, lists // 2):
            return probes, recall
        probes *= 2


def _others(near: np.ndarray, own: int) -> set[int]:
    """Return the nearest without the vector itself, of which copies may come first."""
    return set([int(row) for row in near if row not in (own, -1)][:NEAREST])


@lru_cache(maxsize=8)  # a server asks the same one again and again
def _opened(path: str, state: tuple[int, int]) -> Any:
    faiss = require_faiss()
    with opening(Path(path), REMEDY):
        return faiss.read_index(path, faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)


def open_lists(file: Path) -> Any:
    """Return the lists that :func:`build` wrote; they stay on disk.

    Raises:
        HeadstartError: faiss is not installed, or the file is damaged.
    """
    with opening(file, REMEDY):
        status = file.stat()
    return _opened(str(file), (status.st_ino, status.st_mtime_ns))


def nearest(
    index: Any,
    vectors: np.ndarray,
    queries: np.ndarray,
    count: int,
    probes: int,
    allowed: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices (Q,k) of near vectors and their exact cosines (Q,k), best first.

    Where fewer are found, the index is -1 and the cosine minus infinity.

    Args:
        vectors: (N,D) of length 1, which the lists were built of.
        queries: (Q,D) of length 1.
        probes: lists to look into.
        allowed: (N,) bool, the rows that may be found.
    """
    faiss = require_faiss()
    some = min(max(CANDIDATES * count, FEWEST), len(vectors))
    packed = np.packbits(allowed, bitorder="little")
    selector = faiss.IDSelectorBitmap(len(allowed), faiss.swig_ptr(packed))
    options = faiss.SearchParametersIVF(sel=selector, nprobe=probes)
    _, candidates = index.search(np.ascontiguousarray(queries), some, params=options)
    indices = np.full((len(queries), count), -1, dtype=np.int64)
    cosines = np.full((len(queries), count), -np.inf, dtype=np.float32)
    for row, (query, found) in enumerate(zip(queries, candidates, strict=True)):
        found = np.sort(found[found >= 0])  # ties keep the order of the index
        scores = vectors[found] @ query
        best = np.argsort(-scores, kind="stable")[:count]
        indices[row, : len(best)], cosines[row, : len(best)] = found[best], scores[best]
    return indices, cosines
