"""Whether the files of sources are still those that were read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from headstart.data.discovery import files_of

if TYPE_CHECKING:
    from headstart.data.content import Content


def state_of_sources(sources: Iterable[str], content: Content) -> str:
    """Return a digest of the name, the size and the modification time of each file of sources.

    A folder may be moved; a file that is gone is one without a size.

    Example::

        before = state_of_sources(["reviews/"], content)
    """
    key = hashlib.blake2b(digest_size=12)
    for source in sources:
        for file in files_of(source, content):
            line = os.path.basename(file)
            with suppress(OSError):
                status = os.stat(file)
                line += f"\0{status.st_size}\0{status.st_mtime_ns}"
            key.update(f"{line}\0".encode(errors="surrogateescape"))
    return key.hexdigest()
