"""Offsets of spans, checked against the covered text that stands beside them.

Labelling tools count differently: browsers in UTF-16 units, others in bytes, from one, or with the
last character included. Where the covered text is given, the file itself says how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from headstart.modalities.text.scripts import composed


class Given(NamedTuple):
    """A span as a file gives it.

    Attributes:
        start, end: offsets; the end is None where it follows from the covered text, and both are
            where only that text says where it is.
        text: what the span covers, None where the file does not say.
    """

    start: int | None
    end: int | None
    text: str | None


class Reading(NamedTuple):
    """How offsets count.

    Attributes:
        unit: one of :data:`UNITS`.
        first: the number of the first character.
        closed: 1 where the end is the last character that is covered, else 0.
    """

    unit: str
    first: int
    closed: int

    def __str__(self) -> str:
        origin = ", from one" if self.first else ""
        return f"{self.unit}{origin}{', the last included' if self.closed else ''}"


#: The size of each character in a unit, given the one before it.
UNITS: dict[str, Callable[[str, str], int]] = {
    "characters": lambda before, one: 1,
    "UTF-16 units": lambda before, one: 1 + (one > "\uffff"),
    "bytes of UTF-8": lambda before, one: len(one.encode("utf-8", "surrogatepass")),
    "characters, line ends once": lambda before, one: int((before, one) != ("\r", "\n")),
}
PLAIN = Reading("characters", 0, 0)
#: Records from which the way of counting is told; every span is then checked.
_SAMPLE = 500
#: The likelier ones first.
_READINGS = [
    Reading(unit, first, closed) for closed in (0, 1) for first in (0, 1) for unit in UNITS
]

Record = tuple[str, Sequence[Given]]


class Offsets:
    """The offsets of all records of a file, which are read in the way that fits most of its spans.

    Args:
        records: the text and the spans of each record.
        where: the file, for :meth:`notes`.
        noun: of a span, for :meth:`notes`.
    """

    def __init__(self, records: Iterable[Record], where: str, noun: str = "span") -> None:
        self._where, self._noun = where, noun
        self.reading = _best(records)
        self._converted = self._moved = 0

    def locate(self, text: str, spans: Iterable[Given]) -> list[tuple[int, int]] | None:
        """Return start and end (exclusive) in characters of each span, None where one is unclear.

        A span whose text is not at its place is moved to where that text stands, if it stands
        there once.
        """
        found = [self._place(text, span) for span in spans]
        return None if None in found else [place for place in found if place is not None]

    def notes(self) -> list[str]:
        """Return a sentence on how offsets were read, and one on spans that were moved."""
        notes = []
        if self.reading != PLAIN:
            notes.append(
                f"{self._where}: the text beside the {self._noun}s shows that offsets count "
                f"{self.reading}; {self._converted:,} were converted to characters."
            )
        if self._moved:
            notes.append(
                f"{self._where}: {self._moved:,} {self._noun}{'s' * (self._moved != 1)} not at the "
                "given place, but with a text that occurs once, were moved there."
            )
        return notes

    def _place(self, text: str, span: Given) -> tuple[int, int] | None:
        found = _at(text, span, self.reading)
        self._converted += found is not None and span.start != found[0]
        if found is None and span.text is not None:
            found = _at(text, span, PLAIN) or _at(text, span, self.reading, trimmed=True)
        covered = (span.text or "").strip()
        if found is None and covered and text.count(covered) == 1:
            self._moved += span.start is not None
            start = text.index(covered)
            found = start, start + len(covered)
        return found


def _best(records: Iterable[Record]) -> Reading:
    """Return the reading that fits most spans whose text is known; in doubt the plain one."""
    clear: list[Record] = []
    unclear: list[Record] = []
    for text, spans in records:
        known = [span for span in spans if span.text is not None and span.start is not None]
        if known:
            plain = all(_at(text, span, PLAIN) for span in known)
            (clear if plain else unclear).append((text, known))
    if not unclear:
        return PLAIN
    return max(_READINGS, key=lambda reading: _fits(clear, reading) + _fits(unclear, reading))


def _fits(records: Sequence[Record], reading: Reading) -> float:
    """Estimate how many spans stand where a reading says, from an even sample of records."""
    some = records[:: max(1, len(records) // _SAMPLE)]
    fits = sum(_at(text, span, reading) is not None for text, spans in some for span in spans)
    return fits * len(records) / max(1, len(some))


def _at(
    text: str, span: Given, reading: Reading, *, trimmed: bool = False
) -> tuple[int, int] | None:
    """Return a span's place in characters, None where it has none or another text stands there.

    Args:
        trimmed: whether spaces at the ends of either text are no difference.
    """
    if span.start is None:
        return None
    start, end = span.start - reading.first, span.end
    if end is not None:
        end += reading.closed - reading.first
    if reading.unit != PLAIN.unit:
        edges = {edge: index for index, edge in enumerate(_edges(text, UNITS[reading.unit]))}
        start = edges.get(start, -1)
        end = None if end is None else edges.get(end, -1)
    if end is None:
        end = start + len(span.text or "")
    if not 0 <= start < end <= len(text):
        return None
    if span.text is None:
        return start, end
    found, given = composed(text[start:end]), composed(span.text)
    same = found.strip() == given.strip() if trimmed else found == given
    return (start, end) if same else None


def _edges(text: str, size: Callable[[str, str], int]) -> Iterator[int]:
    """Yield the offset of every character in a unit, and of the end."""
    offset, before = 0, ""
    for one in text:
        yield offset
        offset, before = offset + size(before, one), one
    yield offset
