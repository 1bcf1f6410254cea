"""Sound files: recordings decoded once into memory-mapped samples, and cut into pieces."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch

from headstart.batch import Batch
from headstart.data.survey import spread
from headstart.errors import HeadstartError
from headstart.files import whole_folder
from headstart.modalities.audio.decode import SHORTEST, BadAudio, about, blocks, decode

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.audit import Audit

#: Largest share of the free disk for the file.
SHARE = 0.5
#: The highest value that is stored: 16 bits are more than training needs.
FULL = 32767
#: Longer recordings are decoded in blocks, and not trimmed, in seconds.
WHOLE = 600.0

_SAMPLED = 200
_CHUNK = 128


def sample_headers(records: Dataset) -> tuple[np.ndarray, list[int]]:
    """Return the seconds (n,) and the rates of an even sample of recordings, from their headers."""
    seconds, rates = [], []
    for value in records[spread(len(records), _SAMPLED)]["audio"]:
        try:
            found = about(value)
        except BadAudio:
            continue
        seconds.append(found.seconds)
        rates.append(found.rate)
    return np.array(seconds), rates


def write_sound_file(
    folder: Path,
    records: Dataset,
    audit: Audit,
    *,
    rate: int,
    channel: int | None,
    trim: bool,
    longest: int,
    overlap: float,
) -> None:
    """Decode recordings into a :class:`SoundFile`, whole or not at all.

    Bad ones are set aside in ``audit``. A recording of hours is decoded block by block.

    Args:
        rate, channel, trim: as in :func:`headstart.modalities.audio.decode.decode`.
        longest: samples of a piece; longer recordings are cut into several.
        overlap: share of a piece that the next one repeats.

    Raises:
        HeadstartError: no recording can be decoded, or the disk has no room for them.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    room = SHARE * shutil.disk_usage(folder.parent).free
    starts, counts, at = [], [], 0
    with whole_folder(folder) as unfinished:
        with open(unfinished / "samples.bin", "wb") as file:
            read = _all(records, rate, channel, trim)
            for name, parts in zip(records["id"], read, strict=True):
                count = 0
                try:
                    for part in parts():
                        count += _append(file, part)
                        if 2 * (at + count) > room:
                            raise _no_room(folder, at + count)
                except BadAudio as bad:
                    audit.drop(name, str(bad))
                    file.seek(2 * at)
                    file.truncate()
                    continue
                for start, length in pieces(count, longest, overlap, round(SHORTEST * rate)):
                    starts.append(at + start)
                    counts.append(length)
                at += count
        if not counts:
            (reason, _), *_ = audit.reasons.most_common(1)
            raise HeadstartError(
                f"none of the {len(records):,} recordings can be decoded (mostly: {reason}); name "
                "other sources."
            )
        np.save(unfinished / "pieces.npy", np.array([starts, counts], dtype=np.int64))
        (unfinished / "meta.json").write_text(json.dumps({"samples": at, "rate": rate}))


def pieces(count: int, longest: int, overlap: float, shortest: int) -> list[tuple[int, int]]:
    """Return start and length of the pieces of a recording of ``count`` samples.

    They are equally long and evenly spaced, with at least the overlap; one where it fits.
    """
    if count <= longest:
        return [(0, count)] if count >= shortest else []
    step = max(1, int(longest * (1 - overlap)))
    number = 1 + -(-(count - longest) // step)
    starts = np.linspace(0, count - longest, number).round().astype(int)
    return [(start, longest) for start in starts.tolist()]


class SoundFile:
    """Pieces of recordings in a folder that :func:`write_sound_file` wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.starts, self.counts = np.load(folder / "pieces.npy")
        self.rate = int(json.loads((folder / "meta.json").read_text())["rate"])
        self._samples = np.memmap(folder / "samples.bin", np.int16, "r")

    def __reduce__(self) -> tuple[Callable[[Path], SoundFile], tuple[Path]]:
        return SoundFile, (self.folder,)

    def __len__(self) -> int:
        return len(self.counts)

    def read(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the samples (S,) float32 in -1..1 of each of some pieces."""
        found = []
        for start, count in zip(self.starts[rows], self.counts[rows], strict=True):
            found.append(self._samples[start : start + count].astype(np.float32) / FULL)
        return found


class SoundRows:
    """One piece per row: ``waveform`` (n,1,S) float32 and ``lengths`` (n,); alike in each epoch."""

    def __init__(self, file: SoundFile) -> None:
        self.file = file

    def __len__(self) -> int:
        return len(self.file)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        return padded(self.file.read(indices))


def padded(rows: list[np.ndarray]) -> Batch:
    """Return ``waveform`` (B,1,S), with silence behind the shorter rows, and ``lengths`` (B,)."""
    lengths = torch.tensor([len(row) for row in rows])
    waveform = torch.zeros(len(rows), 1, int(lengths.max()) if rows else 0)
    for row, samples in zip(waveform, rows, strict=True):
        row[0, : len(samples)] = torch.from_numpy(samples)
    return {"waveform": waveform, "lengths": lengths}


def _all(
    records: Dataset, rate: int, channel: int | None, trim: bool
) -> Iterator[Callable[[], Iterator[np.ndarray]]]:
    """Yield for each recording what gives its samples in parts, or raises :class:`BadAudio`.

    Threads decode the short ones, whose parts are there when they are asked for.
    """

    def short(value: Mapping[str, Any]) -> np.ndarray | BadAudio | None:
        try:
            if about(value).seconds > WHOLE:
                return None
            return decode(value, rate, channel=channel, trim=trim)
        except BadAudio as bad:
            return bad

    def parts(
        value: Mapping[str, Any], found: np.ndarray | BadAudio | None
    ) -> Iterator[np.ndarray]:
        if isinstance(found, BadAudio):
            raise found
        yield from blocks(value, rate, channel=channel) if found is None else [found]

    with ThreadPoolExecutor(_cores()) as pool:
        for start in range(0, len(records), _CHUNK):
            values = records[start : start + _CHUNK]["audio"]
            for value, found in zip(values, pool.map(short, values), strict=True):
                yield partial(parts, value, found)


def _append(file: BinaryIO, samples: np.ndarray) -> int:
    """Write samples in 16 bits, and return their number."""
    file.write((samples.clip(-1, 1) * FULL).round().astype("<i2").tobytes())
    return len(samples)


def _no_room(folder: Path, samples: int) -> HeadstartError:
    return HeadstartError(
        f"{folder.parent} has no room for the decoded recordings (over {samples * 2 / 1e9:.1f} "
        "GB); free some space, set a lower --set audio.rate, or name fewer sources."
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
