"""The unlabeled records that are chosen from, as vectors that may lie on disk."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headstart.data.vectors import unit_length
from headstart.evaluation.heads.propagation import POOL, Graph

#: Vectors that are in memory at once.
BLOCK = 16_384


class Pool:
    """N vectors to choose from, which are centred and normalised when they are read.

    Args:
        vectors: (N,D) float32, in memory or memory-mapped.
        allowed: (N,) bool, which may be chosen (duplicates may not); all by default.
    """

    def __init__(self, vectors: np.ndarray, allowed: np.ndarray | None = None) -> None:
        self.vectors = vectors
        self.allowed = np.ones(len(vectors), bool) if allowed is None else allowed.copy()
        total = np.zeros(vectors.shape[1])
        for start in range(0, len(vectors), BLOCK):
            total += unit_length(vectors[start : start + BLOCK]).sum(0, dtype=np.float64)
        self.centre = (total / max(1, len(vectors))).astype(np.float32)
        self._graphs: list[Graph] = []  # none until it is asked for

    def __len__(self) -> int:
        return len(self.vectors)

    def without(self, indices: np.ndarray) -> Pool:
        """Return the same pool where some records may not be chosen; it shares the graph."""
        found = object.__new__(Pool)
        found.__dict__.update(self.__dict__)
        found.allowed = self.allowed.copy()
        found.allowed[indices] = False
        return found

    def centred(self, vectors: np.ndarray) -> np.ndarray:
        """Return other vectors (n,D), such as of labeled records, in the space of the pool."""
        found: np.ndarray = unit_length(unit_length(vectors.astype(np.float32)) - self.centre)
        return found

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors (n,D) at ``indices``."""
        return self.centred(self.vectors[indices])

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the vectors in blocks, each with its slice of the pool."""
        for start in range(0, len(self), BLOCK):
            where = slice(start, min(start + BLOCK, len(self)))
            yield where, self.centred(self.vectors[where])

    def cosines(self, vector: np.ndarray) -> np.ndarray:
        """Return the cosine (N,) of each vector in the pool with one vector (D,)."""
        found = np.empty(len(self), dtype=np.float32)
        for where, block in self.blocks():
            found[where] = block @ vector
        return found

    @property
    def graph(self) -> Graph:
        """The graph of the records, or of a random 20,000 of more."""
        if not self._graphs:
            rows = np.random.Generator(np.random.PCG64(0)).permutation(len(self))[:POOL]
            self._graphs.append(Graph(np.asarray(self.vectors[np.sort(rows)])))
        return self._graphs[0]
