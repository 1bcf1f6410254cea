"""The parts of a data set for training and for tests, which are not read as one for their labels.

A classifier that learns from all of ``dataset/``, with some of it held out, has seen what its
makers kept for the test: its score is of another split than anyone else's.
"""

from __future__ import annotations

import glob
import os
import re
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from headstart.data.archives import suffix, tar_names
from headstart.data.streams import unpacked_name
from headstart.errors import HeadstartError, shown

_TRAINING = frozenset({"train", "training"})
_HELD_OUT = frozenset({"test", "testing", "dev", "val", "valid", "validation"})
#: The names of all parts.
PARTS = _TRAINING | _HELD_OUT | {"unsup"}
#: Parts may be a folder down, as in ``images/train``.
_DEPTH = 2
#: Most entries of a folder that are looked at; one with more has files of records.
_MOST = 1000
#: What follows the name of a part: a number, as of a year or of a file among several, and a format.
_ENDING = re.compile(r"([-_.]?\d+)?(-of-\d+)?(\.\w+)*$")
#: Characters of a path in the message, and parts that it lists.
_SHOWN, _LISTED = 64, 3


def check_one_part(source: str, option: str) -> None:
    """Refuse a folder, a pattern or an archive with parts for training and for tests.

    Args:
        option: what names the source, for the message.

    Raises:
        HeadstartError: it lists the parts.
    """
    path = os.path.expanduser(source)
    if os.path.isdir(path):
        found = _in_folder(Path(path), _DEPTH)
    elif os.path.isfile(path):
        found = _in_archive(Path(path))
    else:
        found = _in_pattern(path)
    if not found:
        return
    listed = ", ".join(shown(part.name, 30) for part in found[:_LISTED])
    unpack = "unpack it and " if os.path.isfile(path) else ""
    raise HeadstartError(
        f"{shown(source, _SHOWN)} has the parts {listed}, which would be read as one; "
        f"{unpack}name a single part with {option}, such as {shown(str(found[0]), 2 * _SHOWN)}."
    )


def _in_folder(folder: Path, depth: int) -> list[Path]:
    """Return the parts in a folder, or in one below it; those for training first."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(each.name for each in islice(entries, _MOST))
    except OSError:
        return []  # told when it is read
    visible = [name for name in names if not name.startswith(".")]
    parts = [folder / name for name in _parts(visible)]
    # A .txt may be the list of the pictures that lie in a folder below, as YOLO has it.
    if any(part.suffix.lower() != ".txt" for part in parts):
        return parts
    below = (folder / name for name in visible if depth > 1 and (folder / name).is_dir())
    return next(filter(None, (_in_folder(each, depth - 1) for each in below)), parts)


def _in_archive(path: Path) -> list[Path]:
    names: list[str] = []
    if suffix(unpacked_name(path.name)) == ".tar":
        names = tar_names(path)
    elif path.suffix.lower() == ".zip":
        with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    return _below([Path(name).parts for name in names], range(_DEPTH))


def _in_pattern(pattern: str) -> list[Path]:
    matched = [Path(each) for each in glob.glob(pattern, recursive=True)]
    named = {each.name: each for each in matched}
    found = [named[name] for name in _parts(sorted(named))]
    # Parts may also be folders above the files.
    parts = Path(pattern).parts
    fixed = next(index for index, part in enumerate([*parts, "*"]) if glob.has_magic(part))
    return found or _below([each.parts for each in matched], range(fixed, fixed + _DEPTH + 1))


def _below(paths: list[tuple[str, ...]], depths: Iterable[int]) -> list[Path]:
    """Return the parts that are one folder's, which is so many folders below the first."""
    for depth in depths:
        folders: dict[tuple[str, ...], set[str]] = {}
        for path in paths:
            if len(path) > depth:
                folders.setdefault(path[:depth], set()).add(path[depth])
        for folder in sorted(folders):
            if parts := _parts(sorted(folders[folder])):
                return [Path(*folder, name) for name in parts]
    return []


def _parts(names: list[str]) -> list[str]:
    """Return the names that are of parts, where some are for training and some for tests."""
    stems = {name: _ENDING.sub("", name.lower(), count=1) for name in names}
    training = [name for name, stem in stems.items() if stem in _TRAINING]
    held_out = [name for name, stem in stems.items() if stem in _HELD_OUT]
    return [*training, *held_out] if training and held_out else []
