"""Vectors in PostgreSQL with the extension pgvector: one table, and one transaction a change.

::

    id text | embedding vector(D) | shown jsonb | texts jsonb | numbers jsonb | place bigserial

Filters become SQL on ``texts`` and ``numbers``, which hold the columns of the sources. Whose
vectors they are stands in the comment of the table. Passwords come from ``PGPASSWORD``,
``~/.pgpass`` or the file that ``PGPASSFILE`` names, as for every client of PostgreSQL.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import Any

import numpy as np
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from headstart.deployment.indexes.filters import (
    Comparison,
    Condition,
    Negation,
    Several,
    number_of,
    written,
)
from headstart.deployment.stores import About, Address, Hit, Row
from headstart.errors import HeadstartError, first_line

_MINE = "headstart"
#: An id is compared as a number where it is one, as columns are.
_NUMBER_OF_ID = r"(CASE WHEN id ~ '^[-+]?[0-9]+([.][0-9]+)?$' THEN id::float8 END)"
_SIGNS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


class PostgresStore:
    """A table of PostgreSQL; see :class:`headstart.deployment.stores.VectorStore`."""

    def __init__(self, address: Address) -> None:
        self._address, self._name = address, address.name
        self._table = sql.Identifier(address.name)
        self._connection: psycopg.Connection[Any] | None = None

    @classmethod
    def open(cls, address: Address, make: bool) -> PostgresStore:
        """Connect to a database; ``make`` has no meaning, as none is made.

        Raises:
            HeadstartError: it does not answer, or refuses.
        """
        store = cls(address)
        store._run(sql.SQL("SELECT 1"))
        return store

    def about(self) -> About | None:
        """Return whose vectors the table has."""
        asked = sql.SQL("SELECT to_regclass({0}) IS NOT NULL, obj_description(to_regclass({0}))")
        named = sql.Literal(f'"{self._name}"')
        is_there, comment = self._run(asked.format(named))[0]
        if not is_there:
            return None
        try:
            found = About.of(json.loads(comment or "")[_MINE])
        except (ValueError, TypeError, KeyError):
            found = None
        if found is None:
            raise HeadstartError(
                f"the table {self._name!r} is not headstart's; choose another name behind #."
            )
        return found

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Make all that is done within one transaction, or refuse where another one goes on."""
        with self._plainly():
            connection = self._connected()
            with connection.transaction():
                locked = connection.execute(
                    "SELECT pg_try_advisory_xact_lock(hashtext(%s))", [f"{_MINE}:{self._name}"]
                ).fetchone()
                if locked is None or not locked[0]:
                    raise HeadstartError(
                        f"another process changes the table {self._name!r}; wait until it ends."
                    )
                yield

    def create(self, about: About) -> None:
        """Make the table, in the place of one of ours."""
        if self.about() is not None:
            self._run(sql.SQL("DROP TABLE {}").format(self._table))
        if not self._run(sql.SQL("SELECT 1 FROM pg_extension WHERE extname = 'vector'")):
            self._run(sql.SQL("CREATE EXTENSION vector"))
        self._run(
            sql.SQL(
                "CREATE TABLE {} (id text PRIMARY KEY, embedding vector({}) NOT NULL, shown jsonb "
                "NOT NULL, texts jsonb NOT NULL, numbers jsonb NOT NULL, place bigserial)"
            ).format(self._table, sql.Literal(about.width))
        )
        self.describe(about)

    def describe(self, about: About) -> None:
        """Replace the comment of the table."""
        comment = sql.Literal(json.dumps({_MINE: about.plain()}))
        self._run(sql.SQL("COMMENT ON TABLE {} IS {}").format(self._table, comment))

    def known(self, ids: Sequence[str]) -> set[str]:
        """Return which of the ids have a row."""
        asked = sql.SQL("SELECT id FROM {} WHERE id = ANY(%s)").format(self._table)
        return {str(name) for (name,) in self._run(asked, [list(ids)])}

    def write(self, rows: Sequence[Row], columns: Sequence[str]) -> None:
        """Write a row for each record."""
        insert = sql.SQL(
            "INSERT INTO {} (id, embedding, shown, texts, numbers) "
            "VALUES (%s, %s::vector, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET "
            "embedding = EXCLUDED.embedding, shown = EXCLUDED.shown, texts = EXCLUDED.texts, "
            "numbers = EXCLUDED.numbers"
        ).format(self._table)
        values = []
        for row in rows:
            texts = {name: written(value) for name, value in row.columns.items()}
            found = {name: number_of(value) for name, value in row.columns.items()}
            numbers = {name: value for name, value in found.items() if value is not None}
            shown = Jsonb(dict(row.shown))
            values.append((row.id, _vector(row.vector), shown, Jsonb(texts), Jsonb(numbers)))
        with self._plainly(), self._connected().cursor() as cursor:
            cursor.executemany(insert, values)

    def remove(self, ids: Sequence[str]) -> None:
        """Delete rows."""
        self._run(sql.SQL("DELETE FROM {} WHERE id = ANY(%s)").format(self._table), [list(ids)])

    def count(self) -> int:
        """Return the number of rows."""
        return int(self._run(sql.SQL("SELECT count(*) FROM {}").format(self._table))[0][0])

    def nearest(
        self, query: np.ndarray, count: int, where: Condition | None, columns: Sequence[str]
    ) -> list[Hit]:
        """Return the nearest rows that meet a condition, by an exact search."""
        condition = sql.SQL("true") if where is None else _condition(where)
        asked = sql.SQL(
            "SELECT id, shown, 1 - (embedding <=> {0}) FROM {1} WHERE {2} "
            "ORDER BY embedding <=> {0}, place LIMIT {3}"
        ).format(_quoted(query), self._table, condition, sql.Literal(count))
        # A vector of zeros is near nothing, and its distance is no number.
        return [
            Hit(str(name), float(cosine), shown)
            for name, shown, cosine in self._run(asked)
            if isfinite(cosine)
        ]

    def _run(self, asked: sql.SQL | sql.Composed, values: Sequence[Any] | None = None) -> list[Any]:
        with self._plainly():
            found = self._connected().execute(asked, values)
            return found.fetchall() if found.description is not None else []

    def _connected(self) -> psycopg.Connection[Any]:
        """Return the connection; a new one after the database was started anew."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._address.place, autocommit=True, connect_timeout=10
            )
        return self._connection

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        """Turn what PostgreSQL refuses into one sentence."""
        try:
            yield
        except psycopg.Error as error:
            why = first_line(error)
            if "vector" in why and ("not available" in why or "could not open extension" in why):
                why, remedy = "it has no pgvector", "install the package of pgvector there"
            else:
                remedy = "check the address, and who may do what"
            raise HeadstartError(
                f"PostgreSQL refuses the table {self._name!r} ({why}); {remedy}."
            ) from error


def _condition(condition: Condition) -> sql.Composable:
    """Return a condition as SQL, which is true or false and never null."""
    if isinstance(condition, Negation):
        return sql.SQL("(NOT {})").format(_condition(condition.part))
    if isinstance(condition, Several):
        word = sql.SQL(" AND " if condition.every else " OR ")
        return sql.SQL("({})").format(word.join(map(_condition, condition.parts)))
    return _comparison(condition)


def _comparison(one: Comparison) -> sql.Composable:
    name, sign = sql.Literal(one.column), sql.SQL(_SIGNS[one.sign])
    text: sql.Composable
    number: sql.Composable
    if one.column == "id":
        text, number = sql.SQL("id"), sql.SQL(_NUMBER_OF_ID)
    else:
        text = sql.SQL("texts->>{}").format(name)
        number = sql.SQL("(numbers->>{})::float8").format(name)
    # Text in the order of its code points, as Python compares it.
    by_text = sql.SQL('({} {} {} COLLATE "C")').format(text, sign, sql.Literal(one.value))
    if one.number is None:
        return sql.SQL("coalesce({}, false)").format(by_text)
    by_number = sql.SQL("({} {} {}::float8)").format(number, sign, sql.Literal(repr(one.number)))
    return sql.SQL("coalesce({}, {}, false)").format(by_number, by_text)


def _vector(values: np.ndarray) -> str:
    return json.dumps(values.tolist())


def _quoted(values: np.ndarray) -> sql.Composable:
    return sql.SQL("{}::vector").format(sql.Literal(_vector(values)))
