"""Search in a store: its conditions first, then the nearest of what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.deployment.indexes.exact import to_unit
from headstart.deployment.indexes.filters import Filter
from headstart.deployment.stores import About, Address, Hit, VectorStore, open_store
from headstart.errors import HeadstartError
from headstart.evaluation.cache import digest_of_weights

if TYPE_CHECKING:
    from headstart.encoders.opening import OpenedEncoder


class StoredElsewhere:
    """An index in a store that is searched like :class:`headstart.deployment.search.Index`.

    Indices are those of the records that the last :meth:`nearest` found.

    Example::

        index = StoredElsewhere.open(address_of("qdrant:http://localhost:6333"), opened)
        indices, cosines = index.nearest(queries, 10)
        names = [index.ids[row] for row in indices[0]]
    """

    def __init__(self, store: VectorStore, about: About, where: Filter | None = None) -> None:
        self._store, self._about, self._where = store, about, where
        self._found: list[Hit] = []
        if where is not None:
            where.check(["id", *about.columns])

    @classmethod
    def open(
        cls, address: Address, opened: OpenedEncoder, where: str | None = None
    ) -> StoredElsewhere:
        """Open an index for the encoder that made it.

        Raises:
            HeadstartError: there is none, it is not whole, was made by another encoder, or no
                filter can be read.
        """
        store = open_store(address, make=False)
        about = store.about()
        if about is None:
            raise HeadstartError(
                f"{address} holds no index; make one with `headstart index RUN INPUT... --out "
                f"{address}`."
            )
        if not about.whole:
            raise HeadstartError(
                f"a change of {address} goes on, or was cut off; wait, or repeat it with --upsert."
            )
        weights = digest_of_weights(opened.encoder, opened.processor)
        if (about.weights, about.length) != (weights, opened.length):
            raise HeadstartError(
                f"the index {address} was made with another encoder than {opened.folder}; search "
                "with the run that made it, or make it again with this one and --overwrite."
            )
        return cls(store, about, None if where is None else Filter.parse(where))

    @property
    def ids(self) -> list[str]:
        """The ids of what was found."""
        return [hit.id for hit in self._found]

    def nearest(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices (Q,k) of the nearest records and their cosines (Q,k), best first.

        A cosine of minus infinity stands for nothing found.
        """
        condition = None if self._where is None else self._where.condition
        columns = self._about.columns
        found = [
            self._store.nearest(unit, count, condition, columns) for unit in to_unit(queries)[0]
        ]
        most = max(map(len, found), default=0)
        indices = np.zeros((len(queries), most), dtype=np.int64)
        cosines = np.full((len(queries), most), -np.inf, dtype=np.float32)
        self._found = []
        for row, hits in enumerate(found):
            indices[row, : len(hits)] = np.arange(len(hits)) + len(self._found)
            cosines[row, : len(hits)] = [hit.cosine for hit in hits]
            self._found += hits
        return indices, cosines

    def show(self, indices: np.ndarray) -> list[dict[str, Any]]:
        """Return what is known of records besides their ids."""
        return [self._found[index].shown for index in indices.tolist()]
