"""Whether the files of sources are still those that were read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from headstart.data.discovery import files_of

if TYPE_CHECKING:
    from headstart.data.content import Content


#: Bytes at the start and the end of a file that are read, of at most so many files.
_EDGE, _READ = 65_536, 1000


def state_of_sources(sources: Iterable[str], content: Content) -> str:
    """Return a digest of the name, the size, the start and the end of each file of sources.

    A copy elsewhere is in the same state. Of many files only names and sizes tell, which is fast;
    one that is gone has no size.

    Example::

        before = state_of_sources(["reviews/"], content)
    """
    files = [file for source in sources for file in files_of(source, content)]
    key = hashlib.blake2b(digest_size=12)
    for file in files:
        key.update(f"{os.path.basename(file)}\0".encode(errors="surrogateescape"))
        with suppress(OSError):
            status = os.stat(file)
            size = status.st_size
            key.update(f"{size}\0".encode())
            if len(files) <= _READ and stat.S_ISREG(status.st_mode):  # a pipe is read once
                with open(file, "rb") as opened:
                    key.update(opened.read(_EDGE))
                    opened.seek(max(0, size - _EDGE))
                    key.update(opened.read(_EDGE))
    return key.hexdigest()
