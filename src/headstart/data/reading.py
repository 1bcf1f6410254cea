"""Reading one unit after another into records, all with the same fields and options."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from typing import Any, Literal

import numpy as np

from headstart.data.audit import Audit
from headstart.data.block import Block, Choose, Later, Located, Log, Quarantine
from headstart.data.columns import LABEL, choose, guessed, misfits, option
from headstart.data.content import Content, Reader
from headstart.data.decoding import PAGES, TextStream, open_text
from headstart.data.field import Field
from headstart.data.ledger import with_others
from headstart.data.lines import chunks, lines, whole
from headstart.data.sidecars import decoded, label_beside, texts_beside
from headstart.data.store import RecordWriter
from headstart.data.streams import EMPTY, Meter, Unreadable, plain_reasons
from headstart.data.tables import TABLES, read_table
from headstart.data.unit import FILES, Unit
from headstart.data.walking import printable
from headstart.data.web_page import page_text
from headstart.errors import HeadstartError
from headstart.registry import HOME

#: Marks a blank record, which is skipped.
_BLANK = "it is blank"
IN_CONTRAST = "UTF-8, in contrast to other files; --encoding names one encoding for all"
BY_CLASS = (
    "each file is one record, since its folder names its class; --document line makes each line a "
    "record"
)


@dataclass
class Reading:
    """One reading: the fields, the options and the audit that every unit is read with."""

    content: Content
    fields: list[Field]
    named: Mapping[str, str]
    document: Literal["auto", "line", "file"]
    encoding: str | None
    audit: Audit
    told: dict[str, dict[str, None]] = field(default_factory=dict)
    usual: str | None = None
    utf8: dict[str, None] = field(default_factory=dict)
    refused: HeadstartError | None = None

    def sentences(self) -> list[str]:
        """Return how files were read where it is not obvious: one sentence for all of a kind."""
        mixed = {IN_CONTRAST: self.utf8} if self.usual and self.utf8 else {}
        return [
            f"{next(iter(units))}{f' and {len(units) - 1:,} more' * (len(units) > 1)}: {sentence}"
            for sentence, units in {**self.told, **mixed}.items()
        ]

    def store(self, unit: Unit, writer: RecordWriter) -> None:
        """Write the valid records of one unit; none if the unit proves to be broken.

        Raises:
            HeadstartError: it cannot be read with these options, and the user named it; one that
                was found in a folder is set aside, and the first such error kept as ``refused``.
        """
        ledger = self.audit.ledger
        start, begin = writer.rows, ledger.length if ledger else 0
        later: dict[str, Sequence[Any]] = {}
        # Each time one more field is found, or the first that are required.
        restarts = len(self.fields) + 1
        for again in range(restarts + 1):
            audit = Audit()
            try:
                self._refuse_columns(unit)
                chooser, told = _chooser(unit.name, self, later, fixed=again == restarts)
                kept = self._store(unit, writer, chooser, audit)
            except (Later, Unreadable, HeadstartError) as found:
                if isinstance(found, HeadstartError) and not unit.found:
                    raise
                writer.drop_since(start)
                if ledger:
                    ledger.drop_since(begin)
                if isinstance(found, Later):
                    later |= found.columns
                    continue
                if isinstance(found, HeadstartError):
                    self.refused = self.refused or found
                reason = str(found).rstrip(".")
                audit.quarantine(unit.name, reason)
                if ledger:
                    ledger.add([unit.name], [reason], [{}])
                kept = 0
            break
        if kept:
            audit.keep(unit.source, kept)
            for sentence in filter(None, told):
                self._tell(unit, sentence)
        elif not audit.quarantined + audit.blank:
            audit.quarantine(unit.name, EMPTY)
        self.audit.merge(audit)

    def _store(self, unit: Unit, writer: RecordWriter, chooser: Choose, audit: Audit) -> int:
        """Write the valid records of one unit and return their number."""

        def where(number: int | str) -> str:
            if isinstance(number, str):
                return f"{unit.name}/{number}" if unit.name else number
            return f"{unit.name}:{number}" if number else unit.name

        left: list[tuple[int | str, str]] = []  # rows that their reader leaves out

        def quarantine(number: int | str, reason: str) -> None:
            audit.quarantine(where(number), reason)
            left.append((number, reason))

        ledger, meter, kept = self.audit.ledger, None, 0
        if unit.kind != FILES:
            with plain_reasons():
                meter = Meter.of(unit.path)
        for block in self._blocks(unit, quarantine, chooser):
            columns, faults = self._taken(block, unit)
            if ledger:
                ledger.note(block, faults, left, where)
            left.clear()
            ids: list[str] = []
            sound = faults.count(None) == len(faults)
            if sound and set(map(type, block.numbers)) == {int} and 0 not in block.numbers:
                ids = [f"{unit.name}:{number}" for number in block.numbers]  # as most are
            elif sound:
                ids = list(map(where, block.numbers))
            for number, fault in () if sound else zip(block.numbers, faults, strict=True):
                if fault is None:
                    ids.append(where(number))
                elif fault is _BLANK:
                    audit.blank += 1
                else:
                    audit.quarantine(where(number), fault)
            if len(ids) < len(faults):
                valid = [fault is None for fault in faults]
                columns = [list(compress(values, valid)) for values in columns]
            size = writer.add(ids, columns)
            if meter is not None:
                meter.add(size)
            kept += len(ids)
            if self.audit.watch:
                self.audit.watch(writer.rows, 0)
        if ledger:
            ledger.note(Block([], {}), [], left, where)
        return kept

    def _tell(self, unit: Unit, sentence: str) -> None:
        self.told.setdefault(sentence, {})[unit.name] = None

    def _text(self, unit: Unit) -> TextStream:
        text = open_text(unit, self.encoding, partial(self._tell, unit), self.usual)
        if text.encoding != "utf-8" and not text.is_marked:
            self.usual = text.encoding
        elif not (text.is_marked or text.is_ascii):
            self.utf8[unit.name] = None
        return text

    def _taken(self, block: Block, unit: Unit) -> tuple[list[list[Any]], list[str | None]]:
        """Return the stored values of each field, and why each record is invalid, or None."""
        count, own = len(block.numbers), len(self.content.fields)
        columns: list[list[Any]] = []
        faults: list[str | None] = [None] * count
        blank: list[bool] | None = [True] * count  # None: no record is
        for index, one in enumerate(self.fields):
            values = block.columns.get(one.name)
            if values is None:
                # A folder may be the label of all its files.
                taken = _each(one, [unit.label if one.name == LABEL.name else None], unit)
                column, bad, empty = (list(each) * count for each in taken)
            elif len(values) != count:
                raise Unreadable(
                    f"its reader gives {len(values)} values of {one.name!r} for {count} records"
                )
            else:
                if isinstance(values, np.ndarray):
                    values = list(values) if values.ndim > 1 else values.tolist()
                column, bad, empty = _column(one, values, unit)
            columns.append(column)
            if bad.count(None) < count:
                faults = [old or new for old, new in zip(faults, bad, strict=True)]
            if index < own and blank is not None and not all(empty):
                both = zip(blank, empty, strict=True)
                blank = [old and new for old, new in both] if any(empty) else None
        if blank is None or True not in blank:
            return columns, faults
        return columns, [
            _BLANK if nothing else fault for nothing, fault in zip(blank, faults, strict=True)
        ]

    def _refuse_columns(self, unit: Unit) -> None:
        """Refuse a unit without columns if a column was named that it must have."""
        what = self.content.columnless.get(unit.kind)
        needed = self.named.keys() - set(self.content.columns)
        if what and needed:
            name = min(needed)
            column = self.named[name]
            folders = f", or put the {self.content.noun} of each label into a folder of its own"
            raise HeadstartError(
                f"{unit.name} {what} and has no column {column!r}; leave out "
                f"{option(name, column)}{folders if name == LABEL.name else ''}."
            )

    def _blocks(self, unit: Unit, quarantine: Quarantine, chooser: Choose) -> Iterator[Block]:
        content, first = self.content, self.fields[0].name
        if unit.kind == FILES and content.of_files is not None:
            yield content.of_files(unit)
            return
        if unit.kind == FILES:
            found = [Located(os.path.join(unit.path, name)) for name in unit.files]
            beside = {
                one.name: texts
                for one in self.fields
                if one.beside and (texts := texts_beside(unit.path, unit.files, one.beside))
            }
            yield Block([printable(name) for name in unit.files], {first: found, **beside})
            return
        with plain_reasons():
            if unit.kind in content.readers:
                yield from _read_by(content.readers[unit.kind], unit, self.named)
            elif unit.kind in TABLES:
                log = Log(quarantine, partial(self._tell, unit))
                yield from read_table(unit, chooser, log, content.rows, partial(self._text, unit))
            elif unit.kind in content.files:
                with closing(unit.open()) as stream:
                    record = b"".join(chunks(stream))
                more = content.of_sample and content.of_sample(unit.beside or {})
                others = {name: [value] for name, value in (more or {}).items()}
                yield Block([0], {first: [record], **self._labels(unit), **others})
            else:
                yield from self._texts(unit, first, quarantine)

    def _labels(self, unit: Unit) -> dict[str, list[Any]]:
        """Return what the other files of a sample say of its record."""
        label = label_beside(unit.beside, self.named.get(LABEL.name))
        if label is not None:
            return {LABEL.name: label}
        others = unit.beside or {}
        suffixes = {one.name: one.beside[1:] for one in self.fields if one.beside}
        return {
            name: [decoded(others[suffix])] for name, suffix in suffixes.items() if suffix in others
        }

    def _texts(self, unit: Unit, first: str, quarantine: Quarantine) -> Iterator[Block]:
        """Yield the texts of a file without columns: itself, or its lines."""
        is_page = unit.kind in PAGES
        by_class = self.document == "auto" and unit.label is not None
        with closing(self._text(unit)) as text:
            if is_page or by_class or self.document == "file":
                if by_class and not is_page:
                    self._tell(unit, BY_CLASS)
                found = whole(text)
                yield Block([0], {first: [page_text(found) if is_page else found]})
                return
            for line, texts in lines(chunks(text), quarantine):
                yield Block(range(line, line + len(texts)), {first: texts})


#: The stored values of a column, why each is invalid, or None, and which are blank.
_Taken = tuple[list[Any], list[str | None], list[bool]]


def _column(one: Field, values: Sequence[Any], unit: Unit) -> _Taken:
    """Return the values of a column as they are stored."""
    if one.take_all is not None:
        found = one.take_all(values)
        if found is not None and not (one.required and None in found):
            return found, [None] * len(found), [False] * len(found)
    return _each(one, values, unit)


def _each(one: Field, values: Sequence[Any], unit: Unit) -> _Taken:
    """Return the same, each value taken by itself."""
    column: list[Any] = []
    faults: list[str | None] = []
    blank: list[bool] = []
    for value in values:
        stored = fault = None
        blank.append(one.is_blank(value))
        if not blank[-1]:
            stored, fault = one.take(value, unit)
        if stored is None and fault is None and one.required:
            fault = one.absent
        faults.append(fault)
        column.append(stored)
    return column, faults, blank


def _chooser(
    where: str, reading: Reading, later: Mapping[str, Sequence[Any]], *, fixed: bool
) -> tuple[Choose, list[str]]:
    """Return what chooses the columns of a unit, and a list that will hold what it guessed.

    Args:
        later: sampled values of columns that begin later.
        fixed: whether the first choice stays, whatever columns begin later still.
    """

    first: list[Mapping[str, str]] = []
    told: list[str] = []

    def of_fields(columns: Mapping[str, Sequence[Any]]) -> Mapping[str, str]:
        if fixed and first:
            return first[0]
        known = {**columns, **later}
        first.append(choose(where, known, reading.fields, reading.named))
        lost = misfits(known, reading.content.fields, first[-1])
        told[:] = [guessed(known, reading.fields, reading.named, first[-1]), *lost]
        return first[-1]

    ledger = reading.audit.ledger
    return with_others(of_fields) if ledger and ledger.columns else of_fields, told


def _read_by(reader: Reader, unit: Unit, named: Mapping[str, str]) -> Iterator[Block]:
    """Yield the blocks of a reader; where one of another package fails, its file is refused."""
    try:
        with plain_reasons():
            yield from reader(unit, named)
    except (Unreadable, HeadstartError):
        raise
    except Exception as error:
        if reader.__module__.partition(".")[0] == HOME:
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise Unreadable(f"its reader cannot read it ({reason})") from error
