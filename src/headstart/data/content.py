"""The description of one kind of content, from which all sources are read alike."""

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
    """How thoroughly records are surveyed.

    Attributes:
        options: those of the kind of data, :attr:`headstart.modalities.Modality.Options`.
        sample: size of the sample for slow measures (languages, rules); 0 for all records.
        seed: of the sample.
        rules: names of the quality rules that are counted.
        quick: take some seconds at most, as before training; what is skipped is noted in the
            audit.
    """

    options: Any
    sample: int = 3000
    seed: int = 0
    rules: tuple[str, ...] = ()
    quick: bool = False


class Rule(Protocol):
    """A quality rule for training records."""

    @property
    def reason(self) -> str:
        """Why a record fails it, for messages."""
        ...


#: Yields the blocks of a unit, given the columns that the user named. It refuses a file with
#: :class:`headstart.data.streams.Unreadable`, whose message is the reason that the user reads.
Reader = Callable[["Unit", Mapping[str, str]], "Iterator[Block]"]


def _none_fail(records: Dataset, rules: Sequence[str], options: Any) -> Mapping[int, str]:
    """Return {}: there are no rules."""
    return {}


def equal_digests(background: np.ndarray, tested: np.ndarray) -> Iterator[tuple[int, int, bool]]:
    """Yield (index in the background, index of the first tested record, True) of equal digests."""
    known: dict[int, int] = {}
    for index, digest in enumerate(tested.tolist()):
        known.setdefault(digest, index)
    for index, digest in enumerate(background.tolist()):
        if digest in known:
            yield index, known[digest], True


@dataclass(frozen=True)
class Content:
    """One kind of content: its fields, its files, and functions on its records.

    Attributes:
        name: of the kind, that of its modality.
        fields: the columns of a record. A record whose values are all blank is skipped.
        companions: names of further fields of the same type that pre-training can use; each is
            read if its column is named.
        parts: fields of a row of a source, where a record is gathered from several rows; they
            can be named like those of a record.
        reads: the supported files, for messages.
        tables: suffixes of text files with a record per line or row, optionally followed by
            ``.gz``.
        stores: suffixes of other files with many records.
        archives: suffixes of archives.
        files: suffixes of files that are one record each. Their paths are listed, and they are
            not opened.
        columnless: kinds of units without columns, and a description of each, for messages.
        class_files: suffixes of files that may be in one folder per class.
        ignored_tables: the reason why tables in folders and archives are skipped, if they are.
        repeats: counts the records whose content repeats an earlier one; a partial search is noted
            in the audit. By default the digests are compared.
        noun: records in the plural, for messages.
        digests: returns (n,) uint64, equal for records of equal content.
        matches: yields (index in a background, index of a tested record, whether it is exact) of
            exact and near duplicates; its arguments are both data sets, the list for notes on a
            partial search, and whether a very large background is compared in full. By default
            records with equal digests match.
        near: returns pairs (m,2) of records of one data set that are near duplicates, so that
            whatever is joined by a chain of them is joined; it appends to the list where the search
            was partial. By default there are none.
        export: returns a string for each record, for people who label: the record itself, or the
            path of its file next to ``folder``, which is created if files are needed.
        survey: measures records and writes the results to the audit's findings.
        rules: its quality rules by name; ``SET.NAME`` belongs to a set. {} for none.
        failing: returns the first rule that each bad record fails, by its index, given records,
            names of rules and the options of the kind of data.
        readers: readers of stores of this kind only, by suffix: called with the unit and the
            columns that the user named, each yields blocks.
        recognises: returns whether a file has such records, from its name and, for a table, its
            columns and their types; None where they are not known. If it returns None, the names
            and values of the columns decide, see :func:`headstart.modalities.guess.claims`.
        rows: rows per batch of a columnar file.
        of_object: returns what a table holds of a record in memory, such as the bytes of a
            picture; None for an object of another kind.
        begins: returns whether bytes begin as a file of this kind does, where there are such files.
        of_files: returns the block of a unit of files, where a record is more than its file; None
            where the file is all of it.
        of_sample: returns the values of further fields from the files beside a member of an
            archive, from suffix to content; None where there are none.
        sidecars: suffixes of files that say more of a record's file beside them, of the same stem.
        stray: the reason why such a file is no record where there is no file beside it.
    """

    name: str
    fields: tuple[Field, ...]
    reads: str
    tables: frozenset[str]
    stores: frozenset[str]
    archives: frozenset[str]
    class_files: frozenset[str]
    noun: str
    digests: Callable[[Dataset], np.ndarray]
    survey: Callable[[Dataset, Audit, Effort], None]
    export: Callable[[Dataset, Path], list[str]]
    repeats: Callable[[Dataset, Audit], int] | None = None
    matches: (
        Callable[[Dataset, Dataset, list[str], bool], Iterator[tuple[int, int, bool]]] | None
    ) = None
    near: Callable[[Dataset, list[str]], np.ndarray] | None = None
    rules: Mapping[str, Rule] = field(default_factory=dict)
    failing: Callable[[Dataset, Sequence[str], Any], Mapping[int, str]] = _none_fail
    companions: tuple[str, ...] = ()
    parts: tuple[Field, ...] = ()
    files: frozenset[str] = field(default_factory=frozenset)
    columnless: Mapping[str, str] = field(default_factory=dict)
    ignored_tables: str | None = None
    readers: Mapping[str, Reader] = field(default_factory=dict)
    recognises: Callable[[str, pa.Schema | None], bool | None] | None = None
    rows: int = 512
    of_object: Callable[[Any], Any] | None = None
    begins: Callable[[bytes], bool] | None = None
    of_files: Callable[[Unit], Block] | None = None
    of_sample: Callable[[Mapping[str, bytes]], Mapping[str, Any]] | None = None
    sidecars: frozenset[str] = field(default_factory=frozenset)
    stray: str = "there is no record beside it"

    @property
    def columns(self) -> list[str]:
        """Names of the fields."""
        return [one.name for one in self.fields]

    @property
    def nameable(self) -> list[str]:
        """Names of the fields whose columns in the sources can be named."""
        return list(dict.fromkeys(one.name for one in (*self.fields, *self.parts)))

    def count_repeats(self, records: Dataset, audit: Audit) -> int:
        """Count the records whose content repeats an earlier one, see :attr:`repeats`."""
        if self.repeats is not None:
            return self.repeats(records, audit)
        return len(records) - len(set(self.digests(records).tolist()))

    def find_matches(
        self, background: Dataset, tested: Dataset, notes: list[str], thorough: bool
    ) -> Iterator[tuple[int, int, bool]]:
        """Yield exact and near duplicates, see :attr:`matches`."""
        if self.matches is not None:
            yield from self.matches(background, tested, notes, thorough)
            return
        yield from equal_digests(self.digests(background), self.digests(tested))

    def near_pairs(self, records: Dataset, notes: list[str]) -> np.ndarray:
        """Return pairs (m,2) of near duplicates, see :attr:`near`."""
        import numpy as np

        return np.empty((0, 2), np.int64) if self.near is None else self.near(records, notes)
