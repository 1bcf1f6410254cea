"""Search in an index of ``headstart index``: filters first, then the nearest of what is left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from headstart.deployment.indexes import approximate
from headstart.deployment.indexes.exact import UnitVectors, to_unit
from headstart.deployment.indexes.filters import Filter
from headstart.deployment.indexes.store import LISTS, Store
from headstart.deployment.search import described
from headstart.errors import HeadstartError
from headstart.evaluation.cache import digest_of_weights

if TYPE_CHECKING:
    from headstart.deployment.indexes.state import Vectors
    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities import Modality


class StoredIndex:
    """An index that is searched like :class:`headstart.deployment.search.Index`.

    Args:
        store: its files.
        own: the vectors of the encoder that asks.
        modality: of the records, for their previews.
        where: which records may be found; all by default.

    Raises:
        HeadstartError: the filter names a column that no record has.

    Example::

        index = StoredIndex.open(Path("reviews.index"), opened, "stars >= 4")
        indices, cosines = index.nearest(queries, 10)
    """

    def __init__(
        self, store: Store, own: Vectors, modality: Modality, where: Filter | None = None
    ) -> None:
        self.store, self.own, self.modality = store, own, modality
        self.ids = _Ids(store)
        if where is not None:
            names = [name for each in store.segments.values() for name in each.columns]
            where.check(["id", *dict.fromkeys(names)])
        self._allowed = {
            number: alive
            if where is None
            else alive & where.rows(store.segments[number].values, len(alive))
            for number, alive in store.alive.items()
        }

    @classmethod
    def open(cls, folder: Path, opened: OpenedEncoder, where: str | None = None) -> StoredIndex:
        """Open an index for the encoder that made it.

        Raises:
            HeadstartError: it is damaged, was made by another encoder, or no filter can be read.
        """
        store = Store.open(folder)
        own = vectors_of(store, folder, opened)
        return cls(store, own, opened.modality, None if where is None else Filter.parse(where))

    @property
    def allowed(self) -> int:
        """Records that may be found."""
        return sum(int(allowed.sum()) for allowed in self._allowed.values())

    def nearest(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices (Q,k) of the nearest records and their cosines (Q,k), best first.

        Ties keep the order in which records were added; k may be smaller than ``count``. A cosine
        of minus infinity stands for nothing found.

        Raises:
            HeadstartError: the vectors of the index have another width.
        """
        if queries.shape[1] != self.own.width:
            raise HeadstartError(
                f"the index holds vectors of {self.own.width} numbers and this encoder gives "
                f"{queries.shape[1]}; build the index with the same run."
            )
        units, offset = to_unit(queries)[0], 0
        indices = [np.zeros((len(units), 0), dtype=np.int64)]
        cosines = [np.zeros((len(units), 0), dtype=np.float32)]
        for number, segment in self.store.segments.items():
            found, near = self._in_segment(number, units, count)
            indices.append(found + offset)
            cosines.append(near)
            offset += segment.rows
        every, scores = np.hstack(indices), np.hstack(cosines)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(every, best, 1), np.take_along_axis(scores, best, 1)

    def _in_segment(
        self, number: int, units: np.ndarray, count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        vectors, allowed = self.store.vectors(self.own, number), self._allowed[number]
        lists = self.own.lists
        # Of few allowed rows all are compared, which is exact and as fast.
        is_many = int(allowed.sum()) * 10 >= len(allowed)
        if lists is None or lists.segment != number or not is_many:
            return UnitVectors(vectors, are_units=True).nearest(units, count, allowed)
        index = approximate.open_lists(self.store.folder / LISTS / lists.name / approximate.FILE)
        return approximate.nearest(index, vectors, units, count, lists.probes, allowed)

    def show(self, indices: np.ndarray) -> list[dict[str, Any]]:
        """Return what is known of records besides their ids: previews, and columns of sources."""
        shown: list[dict[str, Any]] = [{} for _ in indices]
        offset = 0
        for segment in self.store.segments.values():
            here = np.flatnonzero((indices >= offset) & (indices < offset + segment.rows))
            if len(here):
                rows = (indices[here] - offset).tolist()
                previews = described(segment.records.select(rows), self.modality)
                columns = segment.columns_of(rows)
                for place, preview, row in zip(here, previews, columns, strict=True):
                    shown[place] = {**preview, **({"record": row} if row else {})}
            offset += segment.rows
        return shown


class _Ids(Sequence[str]):
    """The ids of all rows of an index, read where they are asked for."""

    def __init__(self, store: Store) -> None:
        self._segments = list(store.segments.values())

    def __len__(self) -> int:
        return sum(segment.rows for segment in self._segments)

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        for segment in self._segments:
            if row < segment.rows:
                return str(segment.ids[int(row)].as_py())
            row -= segment.rows
        raise IndexError(row)


def vectors_of(store: Store, folder: Path, opened: OpenedEncoder) -> Vectors:
    """Return the vectors of an encoder in an index.

    Raises:
        HeadstartError: it has none of this encoder, or not of all records.
    """
    weights = digest_of_weights(opened.encoder, opened.processor)
    own = store.state.of(weights, opened.length)
    if own is None:
        raise HeadstartError(
            f"the index {folder} was made with another encoder than {opened.folder}; search with "
            "the run that made it, or make it again with this one and --overwrite."
        )
    if missing := store.missing(own):
        rows = sum(store.segments[number].rows for number in missing)
        raise HeadstartError(
            f"{rows:,} records of the index {folder} were added with another encoder than "
            f"{opened.folder}; complete it: `headstart index RUN --out INDEX --upsert`."
        )
    return own
