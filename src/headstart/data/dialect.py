"""How the rows of a ``.csv`` or ``.tsv`` are written, from a sample of the whole file."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from headstart.data.block import Tell

#: Longer lines are left out where a sample is parsed: ``csv`` has a limit of its own.
CUT = 100_000
_SEPARATORS = ",;\t|"
#: The first line by which Excel is told the separator.
_NAMED = re.compile(r"sep=(.)\s*")
#: A field in quotes, with doubled quotes inside.
_QUOTED = re.compile(r'(?<![^\t\n])"[^"]*(?:""[^"]*)*"(?![^\t\n])')
_DECIMAL = re.compile(r"([+-]?)(\d{1,3}(?:\.\d{3})+|\d+)(?:,(\d+))?")


class Dialect(NamedTuple):
    """How rows are written.

    Attributes:
        options: of :func:`csv.reader`.
        skipped: lines before the header.
    """

    options: dict[str, Any]
    skipped: int = 0


def dialect_of(sample: Sequence[str], kind: str, tell: Tell) -> Dialect:
    """Return the dialect of a file.

    The separator of a ``.csv`` is the one of those in its header that gives most rows the width of
    the header, or that a first line ``sep=;`` names. A ``.tsv`` has quotes where more fields are
    quoted as writers do it (closed, with doubled quotes inside) than otherwise.

    Args:
        sample: lines of the file, the header first.
        kind: ``.csv`` or ``.tsv``.
        tell: is told of a doubtful decision.
    """
    named = _NAMED.fullmatch(sample[0]) if sample else None
    if named:
        return Dialect({"delimiter": named[1]}, 1)
    filled = [line for line in sample if line.strip()]
    if kind == ".csv":
        return Dialect({"delimiter": _separator(filled)})
    quoted, plain = _quotes([line.rstrip("\r\n") for line in filled])
    if quoted and plain:
        what = "marks of a quoted field" if quoted > plain else "characters of the text"
        tell(
            f"its quotes are taken as {what}: {quoted:,} sampled fields are quoted, {plain:,} have "
            "other quotes"
        )
    quoting = csv.QUOTE_MINIMAL if quoted > plain else csv.QUOTE_NONE
    return Dialect({"delimiter": "\t", "quoting": quoting})


def has_decimal_commas(values: Sequence[Any], delimiter: str) -> bool:
    """Return whether all values are numbers, and their commas are certain to be decimal commas.

    They are not where commas separate fields, or where all have three digits behind them.
    """
    found = [_DECIMAL.fullmatch(value.strip()) for value in values if isinstance(value, str)]
    if delimiter == "," or not found or None in found:
        return False
    return any(match and match[3] and len(match[3]) != 3 for match in found)


def with_point(value: str) -> str:
    """Return a number with a decimal comma as one with a point; another text as it is.

    Example::

        with_point("1.234,5")  # "1234.5"
    """
    match = _DECIMAL.fullmatch(value.strip())
    return value.strip().replace(".", "").replace(",", ".") if match and match[3] else value


def _separator(filled: Sequence[str]) -> str:
    header = filled[0] if filled else ""
    found = [mark for mark in _SEPARATORS if mark in header]
    if len(found) < 2:
        return found[0] if found else ","

    def fit(mark: str) -> tuple[float, int]:
        """Return the share of rows as wide as the header, and its width."""
        try:
            rows = csv.reader((line for line in filled if len(line) < CUT), delimiter=mark)
            widths = [len(row) for row in rows if row]
        except csv.Error:
            return 0.0, 0
        same = sum(width == widths[0] for width in widths)
        return (same / len(widths) if widths[0] > 1 else 0.0), widths[0]

    return max(found, key=fit)


def _quotes(filled: Sequence[str]) -> tuple[int, int]:
    """Return how many fields are quoted as writers do it, and how many have other quotes.

    A quoted field of several lines starts in a line that has too few fields.
    """
    text, width = "\n".join(filled), filled[0].count("\t") if filled else 0
    quoted, rest, end = 0, [], 0
    for match in _QUOTED.finditer(text):
        field = match[0]
        if "\n" in field:
            start = text.rfind("\n", 0, match.start()) + 1
            if text.count("\t", start, text.index("\n", match.start())) >= width:
                continue
        quoted += 1
        rest.append(text[end : match.start()])
        end = match.end()
    rest.append(text[end:])
    return quoted, sum('"' in field for part in rest for field in re.split(r"[\t\n]", part))
