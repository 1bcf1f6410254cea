"""Reading what a run keeps: whatever is wrong with a file is one sentence that names it.

A finished folder, such as ``encoder/``, lists its files in ``SHA256SUMS``, in the format of
``sha256sum -c``. They are compared before any is read, since a single altered bit in the weights
would give other vectors and no error. Folders without a list (of other libraries, or of earlier
versions) are opened as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError, first_line

if TYPE_CHECKING:
    from torch import Tensor

SUMS = "SHA256SUMS"
#: Bytes of the longest description (JSON or YAML) and of the longest line that are read.
LARGEST = 64 << 20
_REMEDY = "restore it from a copy, or make it again"


def seal(folder: Path) -> None:
    """List all files of a folder with their SHA-256 in its ``SHA256SUMS``."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != SUMS)
    lines = [f"{_sha256(file, _state(file))}  {file.relative_to(folder)}\n" for file in files]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def check(folder: Path) -> None:
    """Compare the files of a folder with its ``SHA256SUMS``, if it has one.

    Raises:
        HeadstartError: a file is missing or altered.
    """
    if not os.path.lexists(folder / SUMS):
        return
    for line in read_text(folder / SUMS).splitlines() or [""]:
        known, _, name = line.partition("  ")
        file = folder / name
        if len(known) != 64 or not name or ".." in Path(name).parts or Path(name).is_absolute():
            raise HeadstartError(
                f"{folder / SUMS} is damaged; restore it from a copy, or delete it to open the "
                "folder unchecked."
            )
        if not file.is_file():
            what = "is no file" if os.path.lexists(file) else "is missing"
            raise HeadstartError(f"{file} {what}; {_REMEDY}.")
        with opening(file):
            same = _sha256(file, _state(file)) == known
        if not same:
            raise HeadstartError(
                f"{file} is damaged: it is not what was written; {_REMEDY}, or delete {SUMS} "
                "beside it if you changed it yourself."
            )


def is_whole(folder: Path) -> bool:
    """Return whether a folder is sealed and nothing in it has changed since."""
    try:
        check(folder)
    except HeadstartError:
        return False
    return (folder / SUMS).is_file()


@contextmanager
def opening(path: Path, remedy: str = _REMEDY) -> Iterator[None]:
    """Turn whatever fails while a file or folder is opened into a sentence that names it.

    Of a folder, the file that is to blame is named, if one is.

    Raises:
        HeadstartError: anything failed.
    """
    try:
        yield
    except HeadstartError:
        raise
    except Exception as error:
        # What a library raises for a file that is not as it expects is of any type.
        blamed = _blamed(path) or path
        why = first_line(error).replace(f"'{blamed}'", "").strip(" :")
        raise HeadstartError(f"{blamed} cannot be opened ({why}); {remedy}.") from error


def read_text(file: Path) -> str:
    """Return the text of a description.

    Raises:
        HeadstartError: it cannot be read, is too large, or is not UTF-8.
    """
    with opening(file):
        if stat.S_ISFIFO(file.stat().st_mode):
            raise ValueError("it is a pipe, and no file")
        if file.stat().st_size > LARGEST:
            raise ValueError(f"{file.stat().st_size / 1e6:,.0f} MB are too many for such a file")
        return file.read_text(encoding="utf-8")


def read_json(file: Path, **needed: type) -> dict[str, Any]:
    """Return a JSON object.

    Args:
        needed: keys that it must have, and the types of their values.

    Raises:
        HeadstartError: it cannot be read, or is something else.

    Example::

        note = read_json(folder / "headstart.json", modality=str, length=int)
    """
    text = read_text(file)
    with opening(file):
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
        for key, kind in needed.items():
            if not isinstance(content.get(key), kind):
                raise ValueError(f"its key {key!r} is missing or not of type {kind.__name__}")
    return content


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON Lines file; lines that are none are left out.

    A process that was killed leaves half a line, and a damaged disk any bytes.

    Raises:
        HeadstartError: the file cannot be read.
    """
    rows = []
    with opening(file), open(file, "rb") as stream:
        while line := stream.readline(LARGEST):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                rows.append(row)
    return rows


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file.

    Raises:
        HeadstartError: it cannot be read.
    """
    from safetensors.torch import load_file

    with opening(file):
        return load_file(file)


def _blamed(folder: Path) -> Path | None:
    """Return the first file of a folder that is not what its name says."""
    if not folder.is_dir():
        return None
    for file in sorted(folder.iterdir()):
        try:
            if file.suffix == ".json":
                json.loads(read_text(file))
            elif file.suffix == ".safetensors":
                read_tensors(file)
        except (HeadstartError, ValueError):
            return file
    return None


def _state(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4096)  # a verb opens one folder several times
def _sha256(file: Path, state: tuple[int, int, int]) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
