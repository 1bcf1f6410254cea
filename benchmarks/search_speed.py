"""Exact search of ours against the former one and faiss, and approximate search with its recall.

All sides take turns in one process, on the same vectors around many centres, of which nothing is
near by construction. Times are medians of one call; the first call of each side, in which ours
brings the vectors to unit length, is told apart. faiss gets vectors of unit length.

    python benchmarks/search_speed.py --rows 100000 --width 256
    python benchmarks/search_speed.py --rows 1000000 --width 256 --approximate
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from setting import announce
from sklearn.preprocessing import normalize

from headstart.deployment.indexes import approximate
from headstart.deployment.indexes.exact import UnitVectors, to_unit

COUNT = 10
Search = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def former(vectors: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what `Index.nearest` did: every block is normalised and sorted whole."""
    queries = normalize(queries)
    indices = np.empty((len(queries), 0), dtype=np.int64)
    cosines = np.empty((len(queries), 0), dtype=np.float32)
    for start in range(0, len(vectors), 65_536):
        block = np.asarray(vectors[start : start + 65_536])
        missing = ~np.isfinite(block).all(1)
        block = normalize(np.where(missing[:, None], 0, block))
        found = np.arange(start, start + len(block))
        indices = np.hstack([indices, np.broadcast_to(found, (len(queries), len(block)))])
        cosines = np.hstack([cosines, np.where(missing, -np.inf, queries @ block.T)])
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :COUNT]
        indices = np.take_along_axis(indices, best, 1)
        cosines = np.take_along_axis(cosines, best, 1)
    return indices, cosines


def drawn(rows: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors around a thousand centres, whose sizes differ, and 64 queries alike."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(1000, width)).astype(np.float32)
    of = generator.choice(1000, rows + 64, p=generator.dirichlet(np.ones(1000)))
    found = np.empty((rows + 64, width), dtype=np.float32)
    for start in range(0, len(found), 65_536):
        part = of[start : start + 65_536]
        noise = generator.standard_normal((len(part), width), dtype=np.float32)
        found[start : start + 65_536] = centres[part] + noise
    return found[:rows], found[rows:]


def timed(search: Search, queries: np.ndarray) -> float:
    """Return the milliseconds of one call."""
    start = time.perf_counter()
    search(queries)
    return 1000 * (time.perf_counter() - start)


def compare(sides: dict[str, Search], queries: np.ndarray, turns: int) -> None:
    """Print the median of each side; they take turns."""
    for name, search in sides.items():
        print(f"  {name:28} first call {timed(search, queries[:1]):9.1f} ms", flush=True)
    for stacked in (1, 64):
        took: dict[str, list[float]] = {name: [] for name in sides}
        for turn in range(turns):
            some = queries[turn % 64 : turn % 64 + 1] if stacked == 1 else queries
            for name, search in sides.items():
                took[name].append(timed(search, some))
        for name, times in took.items():
            print(f"  {name:28} {stacked:3} queries {median(times):9.1f} ms", flush=True)


def main() -> None:
    """Measure both kinds of search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--approximate", action="store_true")
    arguments = parser.parse_args()
    announce("exact and approximate search")
    import faiss

    faiss.omp_set_num_threads(1)
    vectors, queries = drawn(arguments.rows, arguments.width)
    units = to_unit(vectors)[0]
    flat = faiss.IndexFlatIP(arguments.width)
    flat.add(units)
    ours = UnitVectors(units, are_units=True) if arguments.approximate else UnitVectors(vectors)

    def with_faiss(some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores, found = flat.search(to_unit(some)[0], COUNT)
        return found, scores

    sides: dict[str, Search] = {
        "headstart, exact": lambda some: ours.nearest(some, COUNT),
        "faiss IndexFlatIP": with_faiss,
    }
    if not arguments.approximate:
        sides["headstart, former"] = lambda some: former(vectors, some)
    else:
        alive = np.ones(len(units), dtype=bool)
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            probes, recall = approximate.build(units, alive, Path(folder) / "lists")
            took = time.perf_counter() - start
            index = approximate.open_lists(Path(folder) / "lists")
        print(f"  lists: {took:.0f} s, {probes} looked into, recall on own vectors {recall:.3f}")

        def near(some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return approximate.nearest(index, units, to_unit(some)[0], COUNT, probes, alive)

        sides["headstart, approximate"] = near
        wanted, _ = ours.nearest(queries, COUNT)
        pairs = zip(near(queries)[0], wanted, strict=True)
        shared = [len({*one} & {*other}) / COUNT for one, other in pairs]
        print(f"  recall on 64 queries of its own: {np.mean(shared):.3f}")
    compare(sides, queries, arguments.turns)
    if not arguments.approximate:
        same = [search(queries)[0] for search in sides.values()]
        shares = [float((same[0] == other).mean()) for other in same[1:]]
        print(f"  the same results as faiss {shares[0]:.4f}, as formerly {shares[1]:.4f}")


if __name__ == "__main__":
    main()
