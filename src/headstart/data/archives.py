"""Members of archives as streams of bytes; nothing is ever extracted to a path they name."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Container, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, cast

from headstart.data.streams import (
    CHUNK,
    FREE,
    Meter,
    Metered,
    Stream,
    open_file,
    packing_of,
    unpacked,
)

#: Most bytes of a member of a tar file, which is read whole.
LARGEST = FREE

OUTSIDE = "its path leads out of the archive; pack it again with plain names"
LINK = "it is a link; pack the file itself"
ODD = "it is no regular file"
TOO_LARGE = f"it is larger than {LARGEST // 2**20} MiB; unpack the archive by hand"


class Member(NamedTuple):
    """One file in an archive.

    Attributes:
        name: its path in the archive.
        open: opens its bytes, unpacked.
        beside: the other files of its sample (WebDataset), from suffix to content.
    """

    name: str
    open: Callable[[], Stream]
    beside: dict[str, bytes]


#: Called with the name of a member that is skipped, and the reason.
Refuse = Callable[[str, str], None]


def open_zip(path: Path, refuse: Refuse) -> Iterator[Member]:
    """Yield each plain member of an archive, in the order of their names.

    ``refuse`` is called for a member that is a link, is encrypted, leads outside the archive or has
    an unusual compression.

    Raises:
        Unreadable, zipfile.BadZipFile: the archive is broken.
    """
    with zipfile.ZipFile(path) as archive:
        meter = Meter.of(path)
        for member in sorted(archive.infolist(), key=lambda member: member.filename):
            if member.is_dir() or _hidden(member.filename):
                continue
            reason = _refusal(member)
            if reason:
                refuse(member.filename, reason)
                continue

            def opened(member: zipfile.ZipInfo = member) -> Stream:
                stream = Metered(archive.open(member), meter)
                packed = packing_of(member.filename)
                return unpacked(stream, member.filename, meter) if packed else stream

            yield Member(member.filename, opened, {})


def open_tar(path: Path, content: Container[str], refuse: Refuse) -> Iterator[Member]:
    """Yield each plain member of a tar file, compressed or not, in its order.

    Neighbours that share a name up to its first dot are one sample (WebDataset shards): those
    whose suffix is in ``content`` are yielded, with the others ``beside`` them. The archive
    is read once, from the front; the members before an error are yielded.

    Raises:
        Unreadable, tarfile.TarError: the archive is broken, or a decompression bomb.
    """
    sample: list[tuple[str, bytes]] = []
    try:
        for file in _tar_files(path, refuse):
            if sample and _key(sample[0][0]) != _key(file[0]):
                yield from _members(sample, content)
                sample = []
            sample.append(file)
    except Exception:
        yield from _members(sample, content)
        raise
    yield from _members(sample, content)


def tar_names(path: Path) -> list[str]:
    """Return the names of the files in a tar file, up to the first error."""
    names: list[str] = []
    with suppress(Exception):  # reported when the archive is read
        names.extend(member.name for _, member in _tar_members(path) if member.isreg())
    return names


def suffix(name: str) -> str:
    """Return the last suffix of a name in lower case, with its dot."""
    return os.path.splitext(name.lower())[1]


def _tar_files(path: Path, refuse: Refuse) -> Iterator[tuple[str, bytes]]:
    for archive, member in _tar_members(path):
        if member.isdir():
            continue
        reason = _tar_refusal(member)
        file = None if reason else archive.extractfile(member)
        if file is None:
            refuse(member.name, reason or ODD)
        else:
            yield member.name, file.read()


def _tar_members(path: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the members that are not hidden, each with the archive that is being read."""
    with (
        closing(open_file(path)) as stream,
        tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|", bufsize=CHUNK) as archive,
    ):
        for member in archive:
            archive.members.clear()  # type: ignore[attr-defined]  # else all are kept in memory
            if not _hidden(member.name):
                yield archive, member


def _members(sample: list[tuple[str, bytes]], content: Container[str]) -> Iterator[Member]:
    wanted = [file for file in sample if suffix(file[0]) in content]
    beside = {
        os.path.basename(name).partition(".")[2].lower(): data
        for name, data in sample
        if suffix(name) not in content
    }
    for name, data in wanted or sample:
        yield Member(name, partial(io.BytesIO, data), beside if wanted else {})


def _key(name: str) -> tuple[str, str]:
    folder, base = os.path.split(name)
    return folder, base.partition(".")[0]


def _hidden(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return any(part == "__MACOSX" or (part[0] == "." and part != "..") for part in parts)


def _leads_out(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return not parts or ".." in parts or parts[:1] == ("/",) or ":" in parts[0]


def _refusal(member: zipfile.ZipInfo) -> str | None:
    if _leads_out(member.filename):
        return OUTSIDE
    if stat.S_ISLNK(member.external_attr >> 16):
        return LINK
    if member.flag_bits & 1:
        return "it is encrypted; unpack it with its password first"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is packed in an unusual way; pack it again with an ordinary zip"
    return None


def _tar_refusal(member: tarfile.TarInfo) -> str | None:
    if _leads_out(member.name):
        return OUTSIDE
    if member.issym() or member.islnk():
        return LINK
    if not member.isreg() or member.issparse():
        return ODD
    return TOO_LARGE if member.size > LARGEST else None
