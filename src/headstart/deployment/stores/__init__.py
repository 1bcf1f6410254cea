"""Vector stores that others run: the contract, and how one is named.

::

    records --embed--> rows --write--> STORE:PLACE#NAME --nearest, where--> hits

A store keeps what :mod:`headstart.deployment.indexes` keeps in files: vectors by id, what is shown
of each record, its columns for filters, and whose vectors they are. Conditions are met by the
store, before the search, and the search is exact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import numpy as np

from headstart.deployment.indexes.filters import Condition
from headstart.errors import HeadstartError

#: Name of a store -> its class, the library that it needs, and the extra that brings this.
_STORES = {
    "qdrant": ("headstart.deployment.stores.qdrant:QdrantStore", "qdrant_client", "qdrant"),
    "pgvector": ("headstart.deployment.stores.pgvector:PostgresStore", "psycopg", "pgvector"),
}
#: What a collection or table is called where the address does not say.
NAME = "headstart"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


class Address(NamedTuple):
    """Where vectors are kept: ``STORE:PLACE`` or ``STORE:PLACE#NAME``."""

    store: str
    place: str
    name: str

    def __str__(self) -> str:
        return f"{self.store}:{self.place}#{self.name}"


@dataclass(frozen=True)
class About:
    """What a store says of its vectors.

    Attributes:
        weights: digest of the encoder's weights.
        length: tokens or pixels that it reads.
        width: D.
        modality: the kind of data.
        columns: of the sources, in the order in which they were first seen.
        whole: False while a change goes on that is not one step, and after it was cut off.
    """

    weights: str
    length: int
    width: int
    modality: str
    columns: tuple[str, ...] = ()
    whole: bool = True

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "columns": list(self.columns)}

    @classmethod
    def of(cls, found: object) -> About | None:
        """Read what :meth:`plain` wrote; None for anything else."""
        if not isinstance(found, dict):
            return None
        try:
            return cls(**{**found, "columns": tuple(found["columns"])})
        except (TypeError, KeyError):
            return None


@dataclass(frozen=True)
class Row:
    """A record in a store.

    Attributes:
        id: its name.
        vector: (D,) float32 of length 1.
        shown: what a search shows of it.
        columns: of its source, without those that it has no value of.
    """

    id: str
    vector: np.ndarray
    shown: Mapping[str, Any]
    columns: Mapping[str, Any]


class Hit(NamedTuple):
    """A record that was found, and its cosine."""

    id: str
    cosine: float
    shown: dict[str, Any]


class VectorStore(Protocol):
    """A collection in Qdrant, a table in PostgreSQL.

    Errors of the store arrive as :class:`HeadstartError`.
    """

    def about(self) -> About | None:
        """Return whose vectors it has; None where there are none yet.

        Raises:
            HeadstartError: what has its name is not headstart's.
        """
        ...

    def changing(self) -> AbstractContextManager[None]:
        """Make what is done within one change, as far as the store can; see :attr:`About.whole`."""
        ...

    def create(self, about: About) -> None:
        """Begin anew, without the vectors that were there."""
        ...

    def describe(self, about: About) -> None:
        """Replace what :meth:`about` returns."""
        ...

    def known(self, ids: Sequence[str]) -> set[str]:
        """Return which of the ids it has."""
        ...

    def write(self, rows: Sequence[Row], columns: Sequence[str]) -> None:
        """Add records, in the place of those with the same ids.

        Args:
            columns: all that the store knows, these rows' included.
        """
        ...

    def remove(self, ids: Sequence[str]) -> None:
        """Delete records."""
        ...

    def count(self) -> int:
        """Return how many records it has."""
        ...

    def nearest(
        self, query: np.ndarray, count: int, where: Condition | None, columns: Sequence[str]
    ) -> list[Hit]:
        """Return the nearest records that meet a condition, best first."""
        ...


def address_of(place: str) -> Address | None:
    """Return where a store is, from what stands for an index; None for a folder or file.

    Raises:
        HeadstartError: it holds a password, or names nothing.
    """
    store, mark, rest = place.partition(":")
    if not mark or store not in _STORES:
        return None
    where, _, name = rest.partition("#")
    if not where or not _NAME.fullmatch(name or NAME):
        raise HeadstartError(
            f"{store}: needs a place, and a name of letters, digits and _, as in "
            f"{store}:PLACE#reviews."
        )
    if re.search(r"//[^/@]*:[^/@]*@|password\s*=|api[-_]?key\s*=", where, re.IGNORECASE):
        raise HeadstartError(
            f"a password in the address of {store} can be read by others of this machine; leave "
            "it out, and give it as docs/search.md says: by a variable or a file."
        )
    return Address(store, where, name or NAME)


def open_store(address: Address, make: bool) -> VectorStore:
    """Connect to a store.

    Args:
        make: whether a folder may be made where there is none; a search makes none.

    Raises:
        HeadstartError: its library is not installed, or it does not answer.
    """
    home, library, extra = _STORES[address.store]
    if find_spec(library) is None:
        raise HeadstartError(
            f"{address.store} needs the extra `{extra}` ({library}): install it with "
            f"`pip install 'headstart[{extra}]'`."
        )
    module, _, name = home.partition(":")
    store: VectorStore = getattr(import_module(module), name).open(address, make)
    return store
