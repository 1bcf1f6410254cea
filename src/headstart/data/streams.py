"""Opening files and archive members as streams of bytes of bounded size."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from headstart.errors import HeadstartError

#: Bytes read at a time.
CHUNK = 2**20
#: A compressed file may unpack to this many bytes, whatever its ratio.
FREE = 2**24
#: Most unpacked bytes per packed byte; text has 3 to 20, a bomb 1000.
RATIO = 200
#: Most bytes that one compressed file may unpack to.
TOTAL = 2**36

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
    """Counts the unpacked bytes of one compressed file, without trusting its headers."""

    def __init__(self, packed: int) -> None:
        self.most = min(TOTAL, max(FREE, RATIO * packed))
        self.unpacked = 0

    def add(self, count: int) -> None:
        """Count bytes that came out; too many are :class:`Unreadable`."""
        self.unpacked += count
        if self.unpacked > self.most:
            raise Unreadable(BOMB)


class Metered:
    """A stream whose bytes are counted as they are read."""

    def __init__(self, stream: Stream, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; a chunk without a size."""
        data = self._stream.read(CHUNK if size < 0 else size)
        self._meter.add(len(data))
        return data

    def close(self) -> None:
        """Close the stream below."""
        self._stream.close()


def open_file(path: Path, *, packed: bool) -> Stream:
    """Open a file, unpacking gzip as a metered stream."""
    if not packed:
        return open(path, "rb")
    return Metered(gzip.open(path), Meter(path.stat().st_size))


@contextmanager
def plain_reasons() -> Iterator[None]:
    """Turn errors of libraries on a bad file into :class:`Unreadable` with a plain reason."""
    import pyarrow as pa

    try:
        yield
    except (Unreadable, HeadstartError):
        raise
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError):
        raise Unreadable(BROKEN) from None
    except (tarfile.TarError, pa.ArrowException, UnicodeDecodeError):
        raise Unreadable(BROKEN) from None
    except OSError as error:
        raise Unreadable(
            f"it cannot be read ({error.strerror})" if error.strerror else BROKEN
        ) from None
