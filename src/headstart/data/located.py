"""Files that a table names, which are inside its folder, and records that are such files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.data.block import Located
from headstart.data.content import Content
from headstart.data.unit import FILES, Unit

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.streams import Stream


def inside(name: str, folder: str | Path) -> str | None:
    """Return the path of what a table in ``folder`` names; None where it is not inside it.

    Links inside the folder are followed, and may not lead out of it.
    """
    root = os.path.abspath(folder)
    path = os.path.normpath(os.path.join(root, name.strip()))
    if "\0" in name or not _is_in(path, root):
        return None
    return path if _is_in(os.path.realpath(path), os.path.realpath(root)) else None


def _is_in(path: str, root: str) -> bool:
    return path.startswith(root.rstrip(os.sep) + os.sep)


def records_of_files(content: Content, files: Sequence[str]) -> Dataset | None:
    """Return a record of each file, such as of pictures; its id is the path.

    None where files of this kind of data hold more than one record. What is in the files is not
    looked at.
    """
    from datasets import Dataset

    if not content.files:
        return None
    field, unit = content.fields[0], Unit("", "", FILES, Path(), None, _unopened, files)
    taken = [(file, *field.take(Located(file), unit)) for file in files]
    rows = [{"id": file, field.name: value} for file, value, fault in taken if fault is None]
    return Dataset.from_list(rows) if rows else None


def _unopened() -> Stream:
    raise AssertionError("records that are files are opened by their paths")
