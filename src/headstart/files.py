"""Writing files whole or not at all, so that a crash or a full disk never leaves half a file."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart.errors import HeadstartError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path``; on success it is fsynced and renamed to ``path``.

    Raises:
        HeadstartError: the disk is full; a previous file at ``path`` is unchanged.

    Example::

        with whole_file(path) as partial:
            partial.write_text("done")
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        partial.chmod(0o644)
        os.replace(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise full_disk(error, path) from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling folder that replaces ``path`` once it is complete.

    Raises:
        HeadstartError: the disk is full; a previous folder at ``path`` is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial"))
    try:
        yield partial
        for file in partial.rglob("*"):
            if file.is_file():
                with open(file, "rb+") as open_file:
                    os.fsync(open_file.fileno())
        partial.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".old"))
            os.replace(path, old)
            os.replace(partial, path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise full_disk(error, path) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def check_ending(out: Path, what: str, endings: Sequence[str]) -> None:
    """Refuse a file whose ending names no format that ``what`` can be written to.

    Raises:
        HeadstartError: the ending is none of ``endings``.
    """
    if out.suffix.lower() not in endings:
        named = " or ".join([", ".join(endings[:-1]), endings[-1]] if endings[1:] else endings)
        raise HeadstartError(
            f"{what} can be written to {named}, not to {out.name!r}; change --out."
        )


def full_disk(error: OSError, path: Path) -> Exception:
    """Return a plain error for a full disk, and any other error unchanged."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    return HeadstartError(
        f"the disk is full: {path} could not be written; free some space and go on with --resume "
        "(what was saved before is whole)."
    )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
