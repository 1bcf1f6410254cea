"""Opening files and archive members as streams of bytes of bounded size."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, cast

from headstart.errors import HeadstartError

#: Bytes read at a time.
CHUNK = 2**20
#: Any file may unpack or decode to this many bytes, whatever its ratio.
FREE = 2**28
#: Most decoded bytes per byte of a file; text has 3 to 20, a bomb 1000.
RATIO = 200
#: Beyond these bytes a file may decode to no more than :data:`PLAIN` times its size.
TOTAL, PLAIN = 2**36, 20

#: Suffixes of compressed files.
PACKINGS = (".gz", ".bz2", ".xz", ".zst")

EMPTY = "it is empty"
BROKEN = "it is broken or cut short; copy or download it again"
BOMB = "it unpacks to far more than a corpus would (a zip bomb?); unpack it by hand if you trust it"


class Unreadable(Exception):
    """A whole file must be quarantined; the message is the reason."""


class Stream(Protocol):
    """An open file, as readers use it."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class Meter:
    """The one bound on what a file decodes to: counts bytes, without trusting any header.

    Streams count what they unpack, and :mod:`headstart.data.sources` what every reader yields.

    Args:
        packed: bytes of the file.
    """

    def __init__(self, packed: int) -> None:
        self.most = max(FREE, PLAIN * packed, min(TOTAL, RATIO * packed))
        self.unpacked = 0

    @classmethod
    def of(cls, path: Path) -> Meter:
        """Return a meter for a file, or for the files in a folder."""
        files = path.iterdir() if path.is_dir() else [path]
        return cls(sum(file.stat().st_size for file in files))

    def add(self, count: int) -> None:
        """Count bytes that came out; too many are :class:`Unreadable`."""
        self.unpacked += count
        if self.unpacked > self.most:
            raise Unreadable(BOMB)


class Metered:
    """A stream whose bytes are counted as they are read.

    Args:
        below: the stream that it unpacks, which is closed with it.
    """

    def __init__(self, stream: Stream, meter: Meter, below: Stream | None = None) -> None:
        self._stream, self._meter, self._below, self._count = stream, meter, below, 0
        self.closed = False

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; a chunk without a size."""
        data = self._stream.read(CHUNK if size < 0 else size)
        self._count += len(data)
        self._meter.add(len(data))
        return data

    def forget(self) -> None:
        """Take what was read out of the count: it is read again from the start."""
        self._meter.unpacked -= self._count
        self._count = 0

    def close(self) -> None:
        """Close the stream, and the one below."""
        self.closed = True
        self._stream.close()
        if self._below is not None:
            self._below.close()


def packing_of(name: str) -> str | None:
    """Return the suffix of a compressed file in lower case, or None."""
    suffix = os.path.splitext(name.lower())[1]
    return {".tgz": ".gz", ".tbz2": ".bz2", ".txz": ".xz"}.get(
        suffix, suffix if suffix in PACKINGS else None
    )


def unpacked_name(name: str) -> str:
    """Return a name in lower case without the suffix of its compression."""
    stem, suffix = os.path.splitext(name.lower())
    if suffix in (".tgz", ".tbz2", ".txz"):
        return f"{stem}.tar"
    return stem if suffix in PACKINGS else name.lower()


def open_file(path: Path) -> Stream:
    """Open a file; one that its name says is compressed is unpacked as a metered stream."""
    file = open(path, "rb")  # noqa: SIM115
    return unpacked(file, path.name, Meter.of(path)) if packing_of(path.name) else file


def unpacked(stream: Stream, name: str, meter: Meter) -> Stream:
    """Return the unpacked bytes of a stream that its name says is compressed, metered."""
    file = cast(IO[bytes], stream)
    opened: Any
    match packing_of(name):
        case ".gz":
            opened = gzip.GzipFile(fileobj=file)
        case ".bz2":
            opened = bz2.BZ2File(file)
        case ".xz":
            opened = lzma.LZMAFile(file)  # noqa: SIM115
        case _:
            import pyarrow as pa

            opened = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
    return Metered(opened, meter, stream)


@contextmanager
def plain_reasons() -> Iterator[None]:
    """Turn errors of libraries on a bad file into :class:`Unreadable` with a plain reason."""
    import pyarrow as pa

    try:
        yield
    except (Unreadable, HeadstartError):
        raise
    except (EOFError, NotImplementedError, zipfile.BadZipFile):
        raise Unreadable(BROKEN) from None
    except (zlib.error, lzma.LZMAError, gzip.BadGzipFile):
        raise Unreadable(BROKEN) from None
    except (tarfile.TarError, pa.ArrowException, UnicodeDecodeError):
        raise Unreadable(BROKEN) from None
    except OSError as error:
        raise Unreadable(
            f"it cannot be read ({error.strerror})" if error.strerror else BROKEN
        ) from None
