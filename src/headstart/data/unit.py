"""Units with records, into which every source is resolved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.data.streams import Stream

#: The kind of a folder that :meth:`datasets.Dataset.save_to_disk` wrote.
SAVED = "saved dataset"
#: The kind of a unit of files that are a record each.
FILES = "files"


@dataclass(frozen=True)
class Unit:
    """One file, archive member or saved dataset with records, or files that are one record each.

    Attributes:
        source: as the user wrote it.
        name: short and stable; ids of records start with it.
        kind: a suffix that the content knows, without that of a compression, or :data:`SAVED` or
            :data:`FILES`.
        path: the file or folder (of a member: its archive; of files: their folder).
        label: the folder's name, where folders are classes.
        open: opens the bytes, unpacked.
        files: names of the files in the folder ``path``, where each is a record.
        beside: the other files of a member's sample, see :class:`headstart.data.archives.Member`.
        part: the chosen arrays of an ``.npz`` file, as in ``file.npz#train``, or sheet of a
            workbook.
        found: whether it was found in a folder or an archive, and not named by the user.
    """

    source: str
    name: str
    kind: str
    path: Path
    label: str | None
    open: Callable[[], Stream]
    files: Sequence[str] = ()
    beside: dict[str, bytes] | None = None
    part: str | None = None
    found: bool = False
