"""What sets one kind of content apart for reading; the way from source to record is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from headstart.data.field import Field

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from datasets import Dataset

    from headstart.data.audit import Audit
    from headstart.data.block import Block
    from headstart.data.unit import Unit


@dataclass(frozen=True)
class Effort:
    """How closely records are looked at.

    Attributes:
        options: those of the kind of data, :attr:`headstart.modalities.Modality.Options`.
        sample: records, drawn by ``seed``, for what is slow to tell (languages, rules); 0 for all.
        seed: draws the sample.
        rules: names of the quality rules that are counted.
        quick: take some seconds at most, as before training: the content decides what is looked
            at in part or not at all, and notes it in the audit.
    """

    options: Any
    sample: int = 3000
    seed: int = 0
    rules: tuple[str, ...] = ()
    quick: bool = False


class Rule(Protocol):
    """A quality rule: what a record should pass to be worth training on."""

    @property
    def reason(self) -> str:
        """Why a record fails it, for messages."""
        ...


#: Yields the blocks of a unit, given the columns that the user named. It refuses a file with
#: :class:`headstart.data.streams.Unreadable`, whose message is the reason that the user reads.
Reader = Callable[["Unit", Mapping[str, str]], "Iterator[Block]"]


def _none_fail(records: Dataset, rules: Sequence[str], options: Any) -> Mapping[int, str]:
    """Return nothing: where there are no rules, no record fails one."""
    return {}


@dataclass(frozen=True)
class Content:
    """One kind of content, as one object that reading asks.

    Attributes:
        name: of the kind, as its modality is called.
        fields: the columns of a record. A record whose values are all blank is passed over.
        companions: names of further values of the field's kind that a pre-training can learn
            from; each is read where its column is named.
        reads: what can be read, for messages.
        tables: suffixes of text files with a record a line or row; they may be followed by
            ``.gz``.
        stores: suffixes of other files that hold many records.
        archives: suffixes of archives.
        files: suffixes of files that are one record each. Their paths are listed, and they are
            not opened.
        columnless: kinds of units that have no columns, so that no label column can be asked for,
            and what each is, for messages.
        class_files: suffixes of the files that may lie in one folder a class.
        tables_aside: why tables in folders and archives are passed over, where they are.
        recognises: says that a file holds such records, by its name and, of a table, by its
            columns and their types; None where they are not known.
        repeats: counts the records whose content repeats an earlier one; what it could not look
            at it notes in the audit.
        noun: what records are, in the plural, for messages.
        digests: gives (n,) uint64, equal for records of equal content.
        matches: yields (place in a background, place of a tested record, is it exact) for records
            of a background that are the same as a tested one, or nearly; told are the notes of
            what was not looked at, and whether a very large background is compared in full.
        export: gives what a person who labels looks at, a text for each record: the record itself,
            or the path of its file from beside ``folder``, which is made where files are needed.
        survey: finds out more of what went in, and writes it into the audit's findings.
        rules: its quality rules by name; ``SET.NAME`` belongs to a set. {} where there are none.
        failing: given records, names of rules and the options of the kind of data, gives the
            first rule that each bad record fails, by its index.
        readers: reads stores that only this kind knows, by their suffix: called with the unit and
            the columns that the user named, each yields blocks.
        rows: rows that are read at a time from a columnar file.
    """

    name: str
    fields: tuple[Field, ...]
    reads: str
    tables: frozenset[str]
    stores: frozenset[str]
    archives: frozenset[str]
    class_files: frozenset[str]
    recognises: Callable[[str, pa.Schema | None], bool]
    repeats: Callable[[Dataset, Audit], int]
    noun: str
    digests: Callable[[Dataset], np.ndarray]
    matches: Callable[[Dataset, Dataset, list[str], bool], Iterator[tuple[int, int, bool]]]
    survey: Callable[[Dataset, Audit, Effort], None]
    export: Callable[[Dataset, Path], list[str]]
    rules: Mapping[str, Rule] = field(default_factory=dict)
    failing: Callable[[Dataset, Sequence[str], Any], Mapping[int, str]] = _none_fail
    companions: tuple[str, ...] = ()
    files: frozenset[str] = field(default_factory=frozenset)
    columnless: Mapping[str, str] = field(default_factory=dict)
    tables_aside: str | None = None
    readers: Mapping[str, Reader] = field(default_factory=dict)
    rows: int = 512

    @property
    def columns(self) -> list[str]:
        """Names of the fields."""
        return [one.name for one in self.fields]
