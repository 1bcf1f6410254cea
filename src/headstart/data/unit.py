"""What every source comes down to: units that hold records."""

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
    """One file, archive member or saved dataset that holds records, or files that are one each.

    Attributes:
        source: what the user wrote.
        name: short and stable; ids of records start with it.
        kind: a suffix that the content knows, without ``.gz``, or :data:`SAVED` or :data:`FILES`.
        path: the file or folder (of a member: its archive; of files: their folder).
        label: the folder's name, where folders are classes.
        open: opens the bytes, unpacked.
        files: names of the files in the folder ``path``, where each is a record.
        beside: what lies beside a member, see :class:`headstart.data.archives.Member`.
        part: the arrays of an ``.npz`` file that are meant, as in ``file.npz#train``.
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
