"""Vectors in Qdrant: a server by its URL, or a folder in its local mode.

A point has the payload ``id``, ``shown``, and for filters of the column with the number i its text
as ``t<i>`` and, where it is one, its number as ``n<i>``: names of columns may hold anything, which
paths of payloads may not. Whose vectors they are stands in the metadata of the collection.
"""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from qdrant_client import QdrantClient, models

from headstart.deployment.indexes.filters import (
    Comparison,
    Condition,
    Negation,
    Several,
    number_of,
    written,
)
from headstart.deployment.stores import About, Address, Hit, Row
from headstart.deployment.stores.qdrant_folder import DAMAGED, check_folder
from headstart.errors import HeadstartError, first_line
from headstart.files import no_room
from headstart.outputs import check_outside
from headstart.stored import read_text

#: The variable with the key of a server, and the one that names a file with it.
KEY, KEY_FILE = "QDRANT_API_KEY", "QDRANT_API_KEY_FILE"
_SEED = uuid.UUID("6f0f5b2c-1c5e-4d9b-8f5c-6b0e6d8b9a51")
_MINE = "headstart"
#: Clients by place: a folder can be open once, and a server that reloads opens it a second time.
_OPEN: WeakValueDictionary[str, QdrantClient] = WeakValueDictionary()


class QdrantStore:
    """A collection of Qdrant; see :class:`headstart.deployment.stores.VectorStore`."""

    def __init__(self, client: QdrantClient, name: str, is_server: bool) -> None:
        self._client, self._name, self._is_server = client, name, is_server
        # Local mode is exact, and warns of an option that says so.
        self._search = models.SearchParams(exact=True) if is_server else None

    @classmethod
    def open(cls, address: Address, make: bool) -> QdrantStore:
        """Connect to a server, or open a folder, which ``make`` may bring about.

        Raises:
            HeadstartError: the key cannot be read, another process has the folder open, or the
                server does not answer.
        """
        place = address.place
        is_server = place.startswith(("http://", "https://"))
        known = _OPEN.get(place)
        if known is not None:
            return cls(known, address.name, is_server)
        with _plainly(place, is_server), warnings.catch_warnings():
            # A key over plain HTTP is the user's own network, as for any other client.
            warnings.simplefilter("ignore")
            if is_server:
                client = QdrantClient(
                    url=place, api_key=_key(), timeout=60, check_compatibility=False
                )
                client.get_collections()
            else:
                folder = Path(place).expanduser()
                check_outside(folder)
                check_folder(folder, address, make)
                client = QdrantClient(path=str(folder))
        _OPEN[place] = client
        return cls(client, address.name, is_server)

    def _plainly(self) -> AbstractContextManager[None]:
        return _plainly(self._name, self._is_server)

    def about(self) -> About | None:
        """Return whose vectors the collection has."""
        with self._plainly():
            if not self._client.collection_exists(self._name):
                return None
            metadata = self._client.get_collection(self._name).config.metadata or {}
        found = About.of(metadata.get(_MINE))
        if found is None:
            raise HeadstartError(
                f"the collection {self._name!r} of Qdrant is not headstart's; choose another name "
                "behind #."
            )
        return found

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Qdrant has no transactions: :attr:`About.whole` says whether a change was cut off."""
        yield

    def create(self, about: About) -> None:
        """Make the collection, in the place of one of ours."""
        if self.about() is not None:
            with self._plainly():
                self._client.delete_collection(self._name)
        with self._plainly():
            self._client.create_collection(
                self._name,
                vectors_config=models.VectorParams(
                    size=about.width, distance=models.Distance.COSINE
                ),
                metadata={_MINE: about.plain()},
            )

    def describe(self, about: About) -> None:
        """Replace the metadata of the collection."""
        with self._plainly():
            self._client.update_collection(self._name, metadata={_MINE: about.plain()})

    def known(self, ids: Sequence[str]) -> set[str]:
        """Return which of the ids have a point."""
        points = {_point(name): name for name in ids}
        with self._plainly():
            found = self._client.retrieve(self._name, list(points), with_payload=False)
        return {points[str(record.id)] for record in found}

    def write(self, rows: Sequence[Row], columns: Sequence[str]) -> None:
        """Write a point for each record."""
        number = {name: index for index, name in enumerate(columns)}
        points = []
        for row in rows:
            payload: dict[str, Any] = {"shown": dict(row.shown)}
            for name, value in {**row.columns, "id": row.id}.items():
                text, as_number = _keys(name, number)
                payload[text] = written(value)
                if number_of(value) is not None:
                    payload[as_number] = number_of(value)
            vector = row.vector.tolist()
            points.append(models.PointStruct(id=_point(row.id), vector=vector, payload=payload))
        with self._plainly():
            self._client.upsert(self._name, points, wait=True)

    def remove(self, ids: Sequence[str]) -> None:
        """Delete points."""
        with self._plainly():
            self._client.delete(self._name, [_point(name) for name in ids], wait=True)

    def count(self) -> int:
        """Return the exact number of points."""
        with self._plainly():
            return int(self._client.count(self._name, exact=True).count)

    def nearest(
        self, query: np.ndarray, count: int, where: Condition | None, columns: Sequence[str]
    ) -> list[Hit]:
        """Return the nearest points that meet a condition, by an exact search."""
        number = {name: index for index, name in enumerate(columns)}
        limited = None if where is None else models.Filter(must=[_filter(where, number)])
        with self._plainly():
            found = self._client.query_points(
                self._name,
                query=query.tolist(),
                query_filter=limited,
                limit=count,
                search_params=self._search,
            ).points
        hits = []
        for point in found:
            payload = point.payload or {}
            hits.append(Hit(str(payload["id"]), float(point.score), dict(payload["shown"])))
        return hits


def _filter(condition: Condition, number: dict[str, int]) -> Any:
    """Return a condition as one of Qdrant.

    Raises:
        HeadstartError: it compares the order of text, which Qdrant does not.
    """
    if isinstance(condition, Negation):
        return models.Filter(must_not=[_filter(condition.part, number)])
    if isinstance(condition, Several):
        parts = [_filter(part, number) for part in condition.parts]
        return models.Filter(must=parts) if condition.every else models.Filter(should=parts)
    return _comparison(condition, number)


def _comparison(one: Comparison, number: dict[str, int]) -> Any:
    text, value = _keys(one.column, number)
    if one.sign in ("=", "!="):
        same: list[Any] = [
            models.FieldCondition(key=text, match=models.MatchValue(value=one.value))
        ]
        if one.number is not None:
            between = models.Range(gte=one.number, lte=one.number)
            same.append(models.FieldCondition(key=value, range=between))
        if one.sign == "=":
            return models.Filter(should=same)
        none = models.IsEmptyCondition(is_empty=models.PayloadField(key=text))
        return models.Filter(must_not=[none, *same])
    if one.number is None:
        raise HeadstartError(
            f"--where compares {one.column!r} and {one.value!r} by the order of text, which Qdrant "
            "cannot; use =, != or in, or an index in a folder."
        )
    bound = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}[one.sign]
    return models.FieldCondition(key=value, range=models.Range(**{bound: one.number}))


def _keys(column: str, number: dict[str, int]) -> tuple[str, str]:
    if column == "id":
        return "id", "id_number"
    return f"t{number[column]}", f"n{number[column]}"


def _point(name: str) -> str:
    """Return the id of a point, which may be a UUID and no text."""
    return str(uuid.uuid5(_SEED, name))


def _key() -> str | None:
    """Return the key of a server from the environment, or from the file that this names."""
    if file := os.environ.get(KEY_FILE):
        return read_text(Path(os.path.expanduser(file))).strip()
    return os.environ.get(KEY)


@contextmanager
def _plainly(what: str, is_server: bool) -> Iterator[None]:
    """Turn whatever fails in Qdrant or on the way there into one sentence."""
    try:
        yield
    except HeadstartError:
        raise
    except Exception as error:
        if "already accessed" in str(error):
            raise HeadstartError(
                f"another process has the folder {what} of Qdrant open; wait until it ends, or run "
                "a server of Qdrant, which several can use."
            ) from None
        if "disk is full" in str(error) or no_room(error):
            raise HeadstartError(
                f"Qdrant refuses {what}: the disk is full; free some space, and repeat the command "
                "with --upsert."
            ) from None
        remedy = "check the address, and that the server runs" if is_server else DAMAGED
        raise HeadstartError(f"Qdrant refuses {what} ({first_line(error)}); {remedy}.") from error
