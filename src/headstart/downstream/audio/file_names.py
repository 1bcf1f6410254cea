"""Names of the files that are written for records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

#: Most bytes of a name, with room for an ending and a number in the 255 of usual file systems.
_LONGEST = 200


def file_names(ids: Sequence[str]) -> list[str]:
    """Return a file name without ending for each id: its last part, cut, each name once.

    >>> file_names(["a/one.wav", "b/one.wav"])
    ['one', 'one-2']
    """
    found: dict[str, None] = {}
    for each in ids:
        stem = PurePosixPath(each.replace("\\", "/")).stem
        plain = "".join(c if c.isalnum() or c in "-_. " else "_" for c in stem).strip(". ")
        plain = plain.encode("utf-8", "ignore")[:_LONGEST].decode("utf-8", "ignore").strip(". ")
        name, number = plain or "recording", 2
        while name in found:
            name, number = f"{plain or 'recording'}-{number}", number + 1
        found[name] = None
    return list(found)
