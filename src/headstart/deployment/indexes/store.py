"""An index that may change: records are added, replaced and deleted, whatever kills the process.

::

    INDEX/current.json    what is valid, see :mod:`.state`; replaced in one step
    INDEX/segments/       records that were added together, see :mod:`.segments`
    INDEX/vectors/        their vectors, by encoder
    INDEX/lists/          (from about a million on) an approximate index, see :mod:`.approximate`
    INDEX/deleted/        rows that do not count any longer

Files are written once and never changed. What ``current.json`` does not name is what a killed
process left, or what a change has replaced, and is deleted by the next change.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout

from headstart.deployment.indexes.segments import (
    VECTORS,
    Segment,
    check_whole,
    joined,
    open_vectors,
    write_segment,
)
from headstart.deployment.indexes.state import CURRENT, State, Vectors, read_state, write_state
from headstart.errors import HeadstartError, several
from headstart.files import delete, sweep, whole_file, whole_folder, writable
from headstart.stored import opening, seal

if TYPE_CHECKING:
    from datasets import Dataset

#: Folders of an index, and its lock.
SEGMENTS, OF_ENCODERS, LISTS, DELETED = "segments", "vectors", "lists", "deleted"
LOCK = ".lock"
#: Segments are merged where they are more, or where one row in so many was deleted.
MANY, GONE = 8, 4
#: Bytes of the largest index that is compared with its digests whenever it is opened.
CHECKED = 2 * 10**9
#: Rows that are copied at once.
_CHUNK = 65_536

#: Writes the vectors (N,D) of records, of any length, to a .npy file.
Embed = Callable[["Dataset", Path], object]


class Store:
    """The files of an index, as one state names them.

    Example::

        store = Store.open(Path("reviews.index"))
        print(store.state.rows - store.state.gone)
    """

    def __init__(self, folder: Path, state: State) -> None:
        self.folder, self.state = folder, state
        self.segments = {
            number: Segment(folder / SEGMENTS / f"{number:06d}", rows)
            for number, rows in state.segments
        }
        self.alive = self._alive()

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open an index to be read, and compare its files with what was written.

        Raises:
            HeadstartError: there is none, or a file of it is damaged.
        """
        for _ in range(5):
            state = read_state(folder)
            try:
                store = cls(folder, state)
                if store.size() <= CHECKED:
                    check_whole(store.parts())
                return store
            except HeadstartError:
                # Another process may have replaced what was just named.
                if read_state(folder) == state:
                    raise
        raise HeadstartError(f"{folder} is changed all the time; search in it later.")

    def parts(self) -> list[Path]:
        """Return all folders that the state names."""
        found = [segment.folder for segment in self.segments.values()]
        for own in self.state.vectors:
            found += [self.folder / OF_ENCODERS / own.folder(number) for number in own.segments]
            if own.lists:
                found.append(self.folder / LISTS / own.lists.name)
        return found

    def size(self) -> int:
        """Return the bytes of all that the state names."""
        files = (file for part in self.parts() for file in part.rglob("*") if file.is_file())
        return sum(file.stat().st_size for file in files)

    def vectors(self, own: Vectors, number: int) -> np.ndarray:
        """Return the vectors (N,D) of a segment by an encoder, of length 1, memory-mapped."""
        folder = self.folder / OF_ENCODERS / own.folder(number)
        return open_vectors(folder, self.segments[number].rows, own.width)

    def missing(self, own: Vectors) -> list[int]:
        """Return the segments that an encoder has no vectors of."""
        return [number for number in self.segments if number not in own.segments]

    def rows_of(self, ids: Sequence[str]) -> list[tuple[int, int]]:
        """Return segment and row of the valid records with these ids."""
        wanted = pa.array(ids, pa.string())
        return [
            (number, int(row))
            for number, segment in self.segments.items()
            for row in segment.rows_of(wanted)
            if self.alive[number][row]
        ]

    def _alive(self) -> dict[int, np.ndarray]:
        alive = {number: np.ones(rows, dtype=bool) for number, rows in self.state.segments}
        if self.state.deleted:
            file = self.folder / DELETED / self.state.deleted
            with opening(file):
                for number, row in np.load(file, allow_pickle=False):
                    alive[int(number)][int(row)] = False
        return alive


class Change:
    """A change of an index, which counts as a whole once it is committed.

    Args:
        store: what it begins with.

    Example::

        with changing(folder, "text") as change:
            change.add(records, table, own, embed, replaces=True)
            change.commit()
    """

    def __init__(self, store: Store) -> None:
        self.store, self.state = store, store.state
        self._dead = [
            (n, int(r)) for n, alive in store.alive.items() for r in np.flatnonzero(~alive)
        ]

    def add(
        self, records: Dataset, table: pa.Table, own: Vectors, embed: Embed, *, replaces: bool
    ) -> int:
        """Add records with their columns and vectors; return how many they replace.

        Raises:
            HeadstartError: an id is there twice, or already and ``replaces`` is not set.
        """
        ids = table["id"].to_pylist()
        refuse_twice(ids)
        known = self.store.rows_of(ids)
        if known and not replaces:
            names = [self.store.segments[n].ids[row].as_py() for n, row in known[:3]]
            raise known_already(len(known), names)
        number = 1 + max((n for n, _ in self.state.segments), default=0)
        number = max(number, self.state.version + 1)
        write_segment(self.store.folder / SEGMENTS / f"{number:06d}", records, table)
        own = self.state.of(own.weights, own.length) or own
        self._write_vectors(own, number, records, embed)
        own = replace(own, segments=(*own.segments, number))
        self.state = replace(self.state, segments=(*self.state.segments, (number, len(ids))))
        self._note(own)
        self._dead += known
        return len(known)

    def complete(self, own: Vectors, embed: Embed) -> Vectors:
        """Give an encoder vectors of every segment, and return what it has then."""
        own = self.state.of(own.weights, own.length) or own
        for number, segment in self.store.segments.items():
            if number not in own.segments:
                self._write_vectors(own, number, segment.records, embed)
                own = replace(own, segments=(*own.segments, number))
        self._note(own)
        return own

    def delete(self, ids: Sequence[str]) -> int:
        """Delete the records with these ids; return how many there were."""
        known = self.store.rows_of(ids)
        self._dead += known
        return len(known)

    def keep(self, encoders: Sequence[Vectors]) -> None:
        """Drop the vectors of all encoders but these."""
        kept = {(each.weights, each.length) for each in encoders}
        own = tuple(each for each in self.state.vectors if (each.weights, each.length) in kept)
        self.state = replace(self.state, vectors=own)

    def empty(self) -> None:
        """Begin anew: nothing of what the index holds counts once this is committed."""
        self.state = replace(self.state, segments=(), vectors=(), deleted="", gone=0)
        self.store, self._dead = Store(self.store.folder, self.state), []

    def commit(self) -> Store:
        """Make the change valid, in one step, and return the index as it is then."""
        version = self.state.version + 1
        name = ""
        if self._dead:
            name = f"{version:06d}.npy"
            rows = np.array(sorted(set(self._dead)), dtype=np.int64)
            path = self.store.folder / DELETED / name
            with whole_file(path) as partial, open(partial, "wb") as file:
                np.save(file, rows)
        gone = len(set(self._dead))
        self.state = replace(self.state, version=version, deleted=name, gone=gone)
        write_state(self.store.folder, self.state)
        self.store = Store(self.store.folder, self.state)
        return self.store

    def merged(self) -> bool:
        """Write the valid records as one segment, if there are many parts; return whether it did.

        Encoders that lack a part lose their vectors.
        """
        state, store = self.state, self.store
        few = len(state.segments) <= MANY and state.gone * GONE <= state.rows
        if few or state.gone == state.rows:
            return False
        from datasets import concatenate_datasets

        kept = {number: np.flatnonzero(alive) for number, alive in store.alive.items()}
        kept = {number: rows for number, rows in kept.items() if len(rows)}
        number = max(state.version, *(n for n, _ in state.segments)) + 1
        parts = [store.segments[n].records.select(rows) for n, rows in kept.items()]
        tables = [store.segments[n].table.take(pa.array(rows)) for n, rows in kept.items()]
        total = sum(map(len, kept.values()))
        folder = store.folder / SEGMENTS / f"{number:06d}"
        write_segment(folder, concatenate_datasets(parts), joined(tables))
        found = []
        for own in state.vectors:
            if store.missing(own):
                continue
            sources = [(store.vectors(own, n), rows) for n, rows in kept.items()]
            with whole_folder(store.folder / OF_ENCODERS / own.folder(number)) as unfinished:
                _copy(sources, unfinished / VECTORS, (total, own.width))
                seal(unfinished)
            found.append(replace(own, segments=(number,), lists=None))
        self._dead = []
        self.state = replace(state, segments=((number, total),), vectors=tuple(found))
        return True

    def use(self, own: Vectors) -> None:
        """Take an encoder's vectors as they are now, such as with an approximate index."""
        self._note(own)

    def _write_vectors(self, own: Vectors, number: int, records: Dataset, embed: Embed) -> None:
        from headstart.deployment.indexes.exact import to_unit

        with whole_folder(self.store.folder / OF_ENCODERS / own.folder(number)) as unfinished:
            embed(records, unfinished / VECTORS)
            found = np.load(unfinished / VECTORS, mmap_mode="r+", allow_pickle=False)
            for start in range(0, len(found), _CHUNK):
                part = slice(start, start + _CHUNK)
                found[part] = to_unit(found[part])[0]
            found.flush()
            del found
            for beside in unfinished.iterdir():  # the ids, which the segment has
                if beside.name != VECTORS:
                    beside.unlink()
            seal(unfinished)

    def _note(self, own: Vectors) -> None:
        """Put an encoder last among those of the index."""
        key = (own.weights, own.length)
        others = [each for each in self.state.vectors if (each.weights, each.length) != key]
        self.state = replace(self.state, vectors=(*others, own))


@contextmanager
def changing(folder: Path, modality: str) -> Iterator[Change]:
    """Lock an index for a change, and make it where there is none.

    Raises:
        HeadstartError: another process changes it, or it holds another kind of data.
    """
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise HeadstartError(
                f"another process changes the index {folder}; wait until it ends."
            ) from None
        try:
            sweep(folder)
            begun = (folder / CURRENT).is_file()
            state = read_state(folder) if begun else State(0, modality)
            if state.modality != modality:
                raise HeadstartError(
                    f"{folder} is an index of the kind of data {state.modality!r}, and this run "
                    f"reads {modality!r}; choose another --out."
                )
            _clean(folder, state)
            change = Change(Store(folder, state))
            yield change
            _clean(folder, change.store.state)
        finally:
            lock.release()


def refuse_twice(ids: Sequence[str]) -> None:
    """Refuse records of which two have one id.

    Raises:
        HeadstartError: it names the id.
    """
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    twice = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    raise HeadstartError(
        f"two of the records have the id {twice!r}; give each its own, or name another column "
        "with --id-column."
    )


def known_already(count: int, names: Sequence[str]) -> HeadstartError:
    """Return the error of ids that are to be added and are there, of which some are named."""
    return HeadstartError(
        f"{count:,} of the ids are in the index already, such as {several(names)}; "
        "replace these records with --upsert."
    )


def is_index(folder: Path) -> bool:
    """Return whether a folder is an index, or one whose making was cut off."""
    if not folder.is_dir():
        return False
    ours = {CURRENT, LOCK, SEGMENTS, OF_ENCODERS, LISTS, DELETED}
    names = set(os.listdir(folder))
    return LOCK in names and all(name in ours or name.endswith(".partial") for name in names)


def _clean(folder: Path, state: State) -> None:
    """Delete what a state does not name."""
    named = set(Store(folder, state).parts())
    if state.deleted:
        named.add(folder / DELETED / state.deleted)
    for part in (SEGMENTS, OF_ENCODERS, LISTS, DELETED):
        for path in (folder / part).iterdir() if (folder / part).is_dir() else ():
            if path not in named:
                delete(path)


def _copy(
    sources: Sequence[tuple[np.ndarray, np.ndarray]], out: Path, shape: tuple[int, int]
) -> None:
    """Write the rows of several arrays as one .npy file, a block at a time."""
    with open(out, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for vectors, rows in sources:
            for start in range(0, len(rows), _CHUNK):
                file.write(np.ascontiguousarray(vectors[rows[start : start + _CHUNK]]).tobytes())
