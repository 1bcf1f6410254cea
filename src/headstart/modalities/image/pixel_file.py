"""Pixel files: images decoded once into memory-mapped bytes, at the start or on demand."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.batch import Batch
from headstart.data.audit import Audit
from headstart.data.survey import spread
from headstart.errors import HeadstartError
from headstart.files import whole_folder
from headstart.modalities.image.decode import BadImage, size, square

if TYPE_CHECKING:
    from datasets import Dataset

#: Stored side relative to the encoder's, as a margin for random crops of larger images.
ROOM = 1.25
#: Longest time for decoding all images at the start, in seconds.
PATIENCE = 60.0
#: Largest share of the free disk for the file.
SHARE = 0.5

UNKNOWN, GOOD, BAD = 0, 1, 2

_SAMPLED = 200
_TIMED = 32
_CHUNK = 256
#: Images per task of a thread: a small one is decoded faster than it is dispatched.
_AT_A_TIME = 32


def sample_sides(records: Dataset) -> np.ndarray:
    """Return the shorter sides (n,) of an even sample of images, from their headers."""
    sides = []
    for value in records[spread(len(records), _SAMPLED)]["image"]:
        try:
            sides.append(min(size(value)))
        except BadImage:
            continue
    return np.array(sides, dtype=np.int64)


def write_pixel_file(folder: Path, records: Dataset, side: int, audit: Audit) -> None:
    """Prepare images for :class:`PixelFile`, whole or not at all.

    If all can be decoded within about a minute, they are decoded now, and bad ones quarantined in
    ``audit``; else when they are read, and bad ones noted in ``quarantine.jsonl``. If the pixels
    would fill the disk, they are not stored.

    Args:
        side: the encoder's side in pixels. Images that are mostly larger are stored at up to
            :data:`ROOM` times this side.

    Raises:
        HeadstartError: no image can be decoded.
    """
    found = sample_sides(records)
    median = int(np.median(found)) if len(found) else side
    stored = min(median, math.ceil(ROOM * side)) if median > side else side
    count = len(records)
    folder.parent.mkdir(parents=True, exist_ok=True)
    kept = count * 3 * stored**2 <= SHARE * shutil.disk_usage(folder.parent).free
    with whole_folder(folder) as unfinished:
        meta = {"count": count, "side": stored, "kept": kept}
        (unfinished / "meta.json").write_text(json.dumps(meta))
        if kept:
            for name, width in (("pixels.bin", 3 * stored**2), ("states.bin", 1)):
                with open(unfinished / name, "wb") as file:
                    file.truncate(count * width)
        if kept and _seconds(records, stored) <= PATIENCE:
            indices = _decode_all(unfinished, records, stored, audit)
        else:
            indices = np.arange(count)
            _store_sources(records, unfinished / "pictures.arrow")
        np.save(unfinished / "places.npy", indices)


class PixelFile:
    """Images (N,3,S',S') uint8 in a folder that :func:`write_pixel_file` wrote.

    Several processes may read and fill it at once, since they write the same. An image's state is
    written after its pixels.
    """

    def __init__(self, folder: Path) -> None:
        meta = json.loads((folder / "meta.json").read_text())
        self.folder, self.side = folder, int(meta["side"])
        self._count = int(meta["count"])
        self.indices = np.load(folder / "places.npy", mmap_mode="r")
        self._pixels = self._states = None
        if meta["kept"]:
            shape = (self._count, 3, self.side, self.side)
            self._pixels = np.memmap(folder / "pixels.bin", np.uint8, "r", shape=shape)
            self._states = np.memmap(folder / "states.bin", np.uint8, "r")
        self._bad: dict[int, str] = {}
        self._sources: Any = None
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def __reduce__(self) -> tuple[Callable[[Path], PixelFile], tuple[Path]]:
        return PixelFile, (self.folder,)

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return the images (n,3,S',S') of some rows; a bad one is replaced by the next good one.

        Raises:
            HeadstartError: all are bad.
        """
        return self.found(rows)[0]

    def found(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what :meth:`read` does, and the index (n,) of the record that each image is of.

        Raises:
            HeadstartError: all are bad.
        """
        wanted = np.asarray(self.indices[rows])
        pixels = np.empty((len(wanted), 3, self.side, self.side), dtype=np.uint8)
        pending = np.arange(len(wanted))
        for _ in range(self._count):
            good = self._fill(wanted[pending], pixels, pending)
            pending = pending[~good]
            if not len(pending):
                return pixels, wanted
            wanted[pending] = (wanted[pending] + 1) % self._count
        raise HeadstartError(
            f"none of the {self._count} pictures can be decoded; "
            f"{self.folder / 'quarantine.jsonl'} says why."
        )

    def _fill(self, wanted: np.ndarray, pixels: np.ndarray, into: np.ndarray) -> np.ndarray:
        """Write images to ``pixels[into]``; return (n,) which of them are good."""
        states = (
            np.zeros(len(wanted), np.uint8) if self._states is None else self._states[wanted].copy()
        )
        known = states == GOOD
        if self._pixels is not None and known.any():
            pixels[into[known]] = self._pixels[wanted[known]]
        if self._bad:
            states[[int(index) in self._bad for index in wanted]] = BAD
        unknown = np.flatnonzero(states == UNKNOWN)
        if len(unknown):
            sources = self._open_sources()[wanted[unknown]]
            decoded = _decoded(sources["image"], self.side, self._threads())
            for at, found, name in zip(unknown, decoded, sources["id"], strict=True):
                if isinstance(found, str):
                    self._note(int(wanted[at]), name, found)
                else:
                    pixels[into[at]] = found
                    states[at] = GOOD
            fresh = unknown[states[unknown] == GOOD]
            self._store(wanted[fresh], pixels[into[fresh]])
        good: np.ndarray = states == GOOD
        return good

    def _store(self, indices: np.ndarray, images: np.ndarray) -> None:
        """Write images, then their states."""
        if self._pixels is None:
            return
        # Not through the memory map, where a full disk would kill the process.
        with _room(), _opened(self.folder / "pixels.bin") as handle:
            for index, image in zip(indices.tolist(), images, strict=True):
                os.pwrite(handle, image.data, index * image.nbytes)
            with _opened(self.folder / "states.bin") as states:
                for index in indices.tolist():
                    os.pwrite(states, bytes([GOOD]), index)

    def _note(self, index: int, name: str, reason: str) -> None:
        self._bad[index] = reason
        line = json.dumps({"where": name, "reason": reason}) + "\n"
        with _room():
            with open(self.folder / "quarantine.jsonl", "ab", buffering=0) as file:
                file.write(line.encode())  # one call: lines of several processes do not mix
            if self._states is not None:
                with _opened(self.folder / "states.bin") as states:
                    os.pwrite(states, bytes([BAD]), index)

    def _open_sources(self) -> Any:
        if self._sources is None:
            from datasets import Dataset

            self._sources = Dataset.from_file(str(self.folder / "pictures.arrow"))
        return self._sources

    def _threads(self) -> ThreadPoolExecutor | None:
        """Return threads to decode in; None in a worker of a loader, which is one of several."""
        if torch.utils.data.get_worker_info() is not None:
            return None
        if self._pool is None or self._pool[0] != os.getpid():  # threads do not survive a fork
            self._pool = os.getpid(), ThreadPoolExecutor(_cores())
        return self._pool[1]


class PixelRows:
    """One image per row: ``pixels`` (n,3,S',S') uint8; the same in every epoch."""

    def __init__(self, file: PixelFile) -> None:
        self.file = file

    def __len__(self) -> int:
        return len(self.file)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        return {"pixels": torch.from_numpy(self.file.read(indices))}


def decode_square(value: Mapping[str, Any], side: int) -> np.ndarray | str:
    """Return an image (3,side,side) uint8, or the reason why it cannot be decoded."""
    try:
        return np.ascontiguousarray(square(value, side).transpose(2, 0, 1))
    except BadImage as bad:
        return str(bad)


def quarantined(folder: Path) -> dict[str, str]:
    """Return the images that were quarantined while reading: from name to reason."""
    path = folder / "quarantine.jsonl"
    if not path.exists():
        return {}
    noted = {}
    for line in path.read_text().splitlines():
        try:
            row = json.loads(line)
            noted[str(row["where"])] = str(row["reason"])
        except (ValueError, KeyError, TypeError):  # the process was killed while it wrote
            continue
    return noted


def _decode_all(folder: Path, records: Dataset, side: int, audit: Audit) -> np.ndarray:
    """Fill the file and return the indices of the good images."""
    good = np.zeros(len(records), dtype=bool)
    blank = np.zeros((3, side, side), dtype=np.uint8).tobytes()
    with open(folder / "pixels.bin", "wb") as pixels, ThreadPoolExecutor(_cores()) as pool:
        for start in range(0, len(records), _CHUNK):
            rows = records[start : start + _CHUNK]
            found = _decoded(rows["image"], side, pool)
            for index, (name, image) in enumerate(zip(rows["id"], found, strict=True), start):
                if isinstance(image, str):
                    audit.drop(name, image)
                    pixels.write(blank)
                else:
                    good[index] = True
                    pixels.write(image.data)
    if not good.any():
        (reason, _), *_ = audit.reasons.most_common(1)
        raise HeadstartError(
            f"none of the {len(records)} pictures can be decoded (mostly: {reason}); name other "
            "sources."
        )
    np.where(good, GOOD, BAD).astype(np.uint8).tofile(folder / "states.bin")
    return np.flatnonzero(good)


def _decoded(
    values: list[Any], side: int, pool: ThreadPoolExecutor | None
) -> Iterator[np.ndarray | str]:
    """Yield each image, or why it cannot be decoded; threads take some at a time."""

    def decode(start: int) -> list[np.ndarray | str]:
        return [decode_square(value, side) for value in values[start : start + _AT_A_TIME]]

    starts = range(0, len(values), _AT_A_TIME)
    return chain.from_iterable((pool.map if pool else map)(decode, starts))


def _store_sources(records: Dataset, path: Path) -> None:
    """Store what is needed to decode later: bytes or paths, and the names."""
    import pyarrow as pa

    columns = records.select_columns(["id", "image"]).with_format("arrow")
    schema = columns[:1].schema
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        for table in columns.iter(_CHUNK):
            # Selected rows are a chunk each; as many batches would take gigabytes to open.
            stream.write_table(table.combine_chunks())


def _seconds(records: Dataset, side: int) -> float:
    """Estimate from a few images how long decoding all of them takes."""
    values = records[spread(len(records), _TIMED)]["image"]
    started = time.perf_counter()
    for value in values:
        decode_square(value, side)
    return (time.perf_counter() - started) / len(values) * len(records) / _cores()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_WRONLY)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _room() -> Iterator[None]:
    """Ignore a full disk: what does not fit is not stored."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
