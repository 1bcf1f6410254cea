"""Conditions on the columns of records, such as ``stars >= 4 and language = "en"``.

::

    either    = all ("or" all)*
    all       = one ("and" one)*
    one       = "not" one | "(" either ")" | COLUMN OPERATOR VALUE | COLUMN "in" "(" VALUE, ... ")"
    OPERATOR  = "=" | "!=" | "<" | "<=" | ">" | ">="

Names and values with spaces or signs stand in quotes. A value is compared as a number where both
sides are numbers, which in a table of text may be written as text; else as text. A row without a
value meets no comparison, so that ``not stars >= 4`` finds it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import HeadstartError, did_you_mean, shown

#: From the name of a column to its values, None where a row has none; None for no such column.
Column = Callable[[str], "Sequence[object] | None"]

_TOKEN = re.compile(
    r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[()]|,|[<>!]?=|[<>]|[^\s()<>!=,"']+)"""
)
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORDS = {"and", "or", "not", "in"}
#: Most conditions within each other.
_DEEPEST = 50


@dataclass(frozen=True)
class Comparison:
    """A column, a sign and a value; ``in`` is several with ``=``."""

    column: str
    sign: str
    value: str

    def rows(self, column: Column, count: int) -> np.ndarray:
        """Return which of ``count`` rows (N,) meet it."""
        return _compared(column(self.column), self.sign, self.value, count)

    @property
    def number(self) -> float | None:
        """The value as a number, if it is one."""
        return number_of(self.value)


@dataclass(frozen=True)
class Several:
    """Conditions that must all be met, or one of them."""

    every: bool
    parts: tuple[Condition, ...]

    def rows(self, column: Column, count: int) -> np.ndarray:
        """Return which of ``count`` rows (N,) meet it."""
        join = np.logical_and if self.every else np.logical_or
        found: np.ndarray = join.reduce([part.rows(column, count) for part in self.parts])
        return found


@dataclass(frozen=True)
class Negation:
    """A condition that must not be met."""

    part: Condition

    def rows(self, column: Column, count: int) -> np.ndarray:
        """Return which of ``count`` rows (N,) meet it."""
        return ~self.part.rows(column, count)


Condition = Comparison | Several | Negation


@dataclass(frozen=True)
class Filter:
    """A condition that was read from text.

    Attributes:
        text: as the user wrote it.
        columns: the names that it compares.

    Example::

        rows = Filter.parse("stars >= 4").rows(columns.get, 100)  # (100,) bool
    """

    text: str
    columns: tuple[str, ...]
    condition: Condition

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Read a condition.

        Raises:
            HeadstartError: it is none; the message says where.
        """
        reading = _Reading(text)
        condition = reading.either()
        if reading.token is not None:
            raise reading.refused("and, or, or the end")
        return cls(text, tuple(dict.fromkeys(reading.columns)), condition)

    def rows(self, column: Column, count: int) -> np.ndarray:
        """Return which of ``count`` rows meet the condition."""
        return self.condition.rows(column, count)

    def check(self, known: Sequence[str]) -> None:
        """Refuse a column that is not there.

        Raises:
            HeadstartError: it names the nearest that are.
        """
        for name in self.columns:
            if name not in known:
                raise HeadstartError(
                    f"--where compares the column {name!r}, which the index does not have"
                    f"{did_you_mean(name, known)}"
                )


class _Reading:
    """The tokens of a condition, of which one is looked at."""

    def __init__(self, text: str) -> None:
        self.text, self.columns = text, list[str]()
        self._tokens, self._index, self._depth = _tokens(text), 0, 0

    @property
    def token(self) -> str | None:
        return self._tokens[self._index] if self._index < len(self._tokens) else None

    def take(self) -> str:
        token = self.token
        assert token is not None
        self._index += 1
        return token

    def refused(self, expected: str) -> HeadstartError:
        found = f"before {shown(self.token, 40)!r}" if self.token is not None else "at its end"
        return HeadstartError(
            f"--where {shown(self.text, 80)!r} is no condition: {expected} is missing {found}; "
            "write for example 'stars >= 4 and language = en'."
        )

    def either(self) -> Condition:
        return self._several("or", self.all)

    def all(self) -> Condition:
        return self._several("and", self.one)

    def _several(self, word: str, part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self.token is not None and self.token.casefold() == word:
            self.take()
            parts.append(part())
        return parts[0] if len(parts) == 1 else Several(word == "and", tuple(parts))

    def one(self) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise HeadstartError(f"--where is nested more than {_DEEPEST} deep; write it shorter.")
        try:
            if self.token is not None and self.token.casefold() == "not":
                self.take()
                return Negation(self.one())
            if self.token == "(":
                self.take()
                found = self.either()
                self._expect(")")
                return found
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        name = self._value("a column")
        self.columns.append(name)
        token = self.token
        if token is not None and token.casefold() == "in":
            self.take()
            self._expect("(")
            values = [self._value("a value")]
            while self.token == ",":
                self.take()
                values.append(self._value("a value"))
            self._expect(")")
            return Several(False, tuple(Comparison(name, "=", value) for value in values))
        if token not in _COMPARE:
            raise self.refused("a comparison (=, !=, <, <=, >, >= or in)")
        sign = self.take()
        return Comparison(name, sign, self._value("a value"))

    def _value(self, what: str) -> str:
        token = self.token
        is_sign = token is None or token in _COMPARE or token in {"(", ")", ","}
        if token is None or is_sign or token.casefold() in _WORDS:
            raise self.refused(what)
        self.take()
        return re.sub(r"\\(.)", r"\1", token[1:-1]) if token[0] in "\"'" else token

    def _expect(self, token: str) -> None:
        if self.token != token:
            raise self.refused(repr(token))
        self.take()


def _tokens(text: str) -> list[str]:
    tokens, end = [], 0
    while end < len(text.rstrip()):
        match = _TOKEN.match(text, end)
        if match is None:
            raise HeadstartError(
                f"--where {shown(text, 80)!r} is no condition: a quotation mark is not closed, or "
                f"there is a sign that means nothing, from character {end + 1} on."
            )
        tokens.append(match[1])
        end = match.end()
    return tokens


def _compared(values: Sequence[object] | None, sign: str, value: str, count: int) -> np.ndarray:
    """Return which rows have a value that compares to ``value`` so."""
    if values is None:
        return np.zeros(count, dtype=bool)
    number, found = number_of(value), np.zeros(count, dtype=bool)
    compare = _COMPARE[sign]
    for index, each in enumerate(values):
        if each is None:
            continue
        own = None if number is None else number_of(each)
        if number is not None and own is not None:
            found[index] = bool(compare(own, number))
        else:
            found[index] = bool(compare(written(each), value))
    return found


def written(value: object) -> str:
    """Return a value of a column as the text that it is compared as."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def number_of(value: object) -> float | None:
    """Return a value as the number that it is compared as; None for other text and for truths."""
    if isinstance(value, bool):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
