"""Contents that are files: bytes, or the path of a file that is opened on demand.

What a kind of data needs where each record is one encoded file, such as a picture or a recording:
how values are taken, told apart, compared and exported.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.located import inside
from headstart.data.streams import EMPTY, FREE
from headstart.errors import HeadstartError
from headstart.files import whole_folder

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from headstart.data.audit import Audit
    from headstart.data.unit import Unit

#: Most bytes of one file that is held in a table or an archive.
LARGEST = FREE
#: Most files whose sizes are read, and most bytes that are hashed, to count duplicates.
MOST_FILES, MOST_BYTES = 100_000, 2**31

NOT_UTF8 = "its path is not UTF-8; rename it"

_CHUNK = 512


@dataclass(frozen=True)
class FileValues:
    """The values of one kind of data whose records are files.

    Attributes:
        column: of the records.
        noun: one record, such as "picture".
        suffixes: of its files.
    """

    column: str
    noun: str
    suffixes: Collection[str]

    @property
    def missing(self) -> str:
        """Why a path to nothing is no record."""
        return f"the {self.noun} that it names does not exist"

    @property
    def outside(self) -> str:
        """Why a path that leaves its folder is no record."""
        return f"the {self.noun} that it names lies outside the folder of its file; move it inside"

    def take(self, value: Any, unit: Unit) -> tuple[Any, str | None]:
        """Return the struct of ``bytes`` and ``path`` of a source's value, or why there is none."""
        from headstart.data.block import Located

        if isinstance(value, Located):
            return _by_path(str(value))
        if isinstance(value, bytes):
            return self._held(value, None)
        if isinstance(value, dict):
            name = value.get("path") if isinstance(value.get("path"), str) else None
            if isinstance(value.get("bytes"), bytes):
                return self._held(value["bytes"], name)
            value = name
        if isinstance(value, str):
            return self.beside(value, unit.path.parent)
        if value is None:
            return None, f"it has no {self.noun}"
        return None, f"its {self.noun} is neither bytes nor the path of a file"

    def beside(self, name: str, folder: Path) -> tuple[Any, str | None]:
        """Return the value that a file in ``folder`` names, inside it, or what is wrong."""
        path = inside(name, folder)
        if path is None:
            return None, self.outside
        if os.path.isfile(path):
            return _by_path(path)
        return None, self.missing

    def fits(self, value: Any) -> bool:
        """Return whether a value may be of this kind."""
        if isinstance(value, str):
            return os.path.splitext(value.strip().lower())[1] in self.suffixes
        if isinstance(value, dict):
            return not value.keys().isdisjoint({"bytes", "path"})
        return isinstance(value, bytes)

    def export(
        self, records: Dataset, folder: Path, suffix_of: Callable[[bytes], str]
    ) -> list[str]:
        """Copy the files into ``folder``, which must not exist yet, and return their names.

        Args:
            suffix_of: returns the ending of a file that has no name.
        """
        if folder.exists():
            raise HeadstartError(f"{folder} exists already; choose another --out, or move it.")
        names = []
        with whole_folder(folder) as partial:
            for number, value in enumerate(records[self.column], start=1):
                data = value["bytes"]
                if data is None:
                    data = Path(value["path"]).read_bytes()
                suffix = os.path.splitext(value["path"] or "")[1].lower() or suffix_of(data)
                name = f"{number:04}{suffix}"
                (partial / name).write_bytes(data)
                names.append(f"{folder.name}/{name}")
        return names

    def repeats(self, records: Dataset, audit: Audit, nouns: str) -> int:
        """Return how many files have the same bytes as an earlier one.

        Only files of equal size are hashed. With very many, or large ones of one size, only the
        first are searched, which is noted in ``audit``.

        Args:
            nouns: the noun in the plural.
        """
        sizes = np.fromiter(self._sizes(records), np.int64)
        values, times = np.unique(sizes[sizes >= 0], return_counts=True)
        twice = np.flatnonzero(np.isin(sizes, values[times > 1]))
        within = int(np.searchsorted(np.cumsum(sizes[twice]), MOST_BYTES, side="right"))
        seen: set[bytes] = set()
        hashed = 0
        for value in self.values(records, twice[:within]):
            found = content(value)
            if found is not None:
                hashed += 1
                seen.add(_digest(found))
        searched = len(sizes) if within == len(twice) else int(twice[within])
        if searched < len(records):
            audit.notes.append(
                f"Duplicates were looked for among the first {searched:,} of {len(records):,} "
                f"{nouns}."
            )
        return hashed - len(seen)

    def digests(self, records: Dataset) -> np.ndarray:
        """Return (n,) uint64, a hash of the bytes of each file; missing files are equal."""
        found = np.zeros(len(records), np.uint64)
        for index, data in self._contents(records, np.arange(len(records))):
            found[index] = int.from_bytes(_digest(data), "big")
        return found

    def same_bytes(self, background: Dataset, tested: Dataset) -> Iterator[tuple[int, int]]:
        """Yield (index in the background, index of a tested record) of the same bytes."""
        sizes = np.fromiter(self._sizes(tested), np.int64)
        theirs = np.fromiter(self._sizes(background), np.int64)
        shared = np.intersect1d(sizes, theirs[theirs >= 0])
        known: dict[bytes, int] = {}
        for index, found in self._contents(tested, np.flatnonzero(np.isin(sizes, shared))):
            known.setdefault(_digest(found), index)
        for index, found in self._contents(background, np.flatnonzero(np.isin(theirs, shared))):
            match = known.get(_digest(found))
            if match is not None:
                yield index, match

    def values(self, records: Dataset, indices: np.ndarray) -> Iterator[Mapping[str, Any]]:
        """Yield the values at ``indices``."""
        for start in range(0, len(indices), _CHUNK):
            yield from records.select(indices[start : start + _CHUNK])[:][self.column]

    def _held(self, value: bytes, name: str | None) -> tuple[Any, str | None]:
        if not value:
            return None, EMPTY
        if len(value) > LARGEST:
            return None, f"its {self.noun} is larger than {LARGEST // 2**20} MiB; make it smaller"
        return {"bytes": value, "path": name}, None

    def _contents(self, records: Dataset, indices: np.ndarray) -> Iterator[tuple[int, bytes]]:
        for index, value in zip(indices.tolist(), self.values(records, indices), strict=True):
            found = content(value)
            if found is not None:
                yield index, found

    def _sizes(self, records: Dataset) -> Iterator[int]:
        """Yield the size in bytes of each file, -1 for a missing one, up to :data:`MOST_FILES`."""
        import pyarrow.compute as pc

        files = 0
        for batch in records.select_columns([self.column]).with_format("arrow").iter(_CHUNK):
            column = batch[self.column].combine_chunks()
            lengths = pc.binary_length(pc.struct_field(column, "bytes")).to_pylist()
            paths = pc.struct_field(column, "path").to_pylist()
            for length, path in zip(lengths, paths, strict=True):
                if length is None:
                    files += 1
                    if files > MOST_FILES:
                        return
                    try:
                        length = os.stat(path).st_size
                    except OSError:
                        length = -1
                yield length


def content(value: Mapping[str, Any]) -> bytes | None:
    """Return the bytes of a file; None where it cannot be read."""
    if value["bytes"] is not None:
        data: bytes = value["bytes"]
        return data
    try:
        with open(value["path"], "rb") as file:
            return file.read()
    except OSError:
        return None


def key(value: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Return what tells a file from others without reading it; None for a missing one."""
    if value["bytes"] is not None:
        return (hashlib.blake2b(value["bytes"], digest_size=16).digest(),)
    try:
        status = os.stat(value["path"])
    except OSError:
        return None
    return value["path"], status.st_mtime_ns, status.st_size


def size(value: Mapping[str, Any]) -> int:
    """Return the approximate bytes of a stored value."""
    return 100 if value["bytes"] is None else len(value["bytes"])


def struct() -> pa.DataType:
    """Return the Arrow type of the values."""
    import pyarrow as pa

    return pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def only(columns: Mapping[str, Sequence[Any]]) -> str | None:
    """Return the column, if there is a single one."""
    return next(iter(columns)) if len(columns) == 1 else None


def _by_path(path: str) -> tuple[Any, str | None]:
    if not path.isascii():
        try:
            path.encode()
        except UnicodeEncodeError:
            return None, NOT_UTF8
    return {"bytes": None, "path": path}, None


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()
