"""Writing files whole or not at all, so that a crash or a full disk never leaves half a file."""

from __future__ import annotations

import atexit
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from headstart.errors import CutOff, HeadstartError

#: Most bytes of a file's name in the usual file systems.
_LONGEST_NAME = 255
#: Characters of a file's name in that of its temporary sibling.
_STEM = 32
#: Ending of temporary files, the mark of a folder that is being replaced, and the parts of the name
#: that follow that of the file: machine, process, mark or chance, and the ending.
_PARTIAL, _FORMER, _ENDINGS = ".partial", "former", 4
#: How the names of the temporary folders of processes begin.
_SCRATCH = "headstart"
#: What is wrong with a path that cannot be written, and what to do.
_UNWRITABLE = {
    errno.EACCES: "permission is denied; choose another --out, or change the permissions",
    errno.EPERM: "it is not permitted; choose another --out, or change the permissions",
    errno.EROFS: "the disk is read-only; choose another --out",
    errno.ENAMETOOLONG: f"a name has at most {_LONGEST_NAME} bytes; choose a shorter --out",
    errno.ENOTDIR: "a part of its path is a file; choose another --out",
    errno.EISDIR: "it is a folder; choose another --out",
}
#: Numbers of a full disk, and what to do.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_ROOM = "free some space, or set TMPDIR to a folder on a disk with room."


class DiskFull(CutOff):
    """There is no room for what was to be written; what was saved before is whole."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path``; on success it is fsynced and renamed to ``path``.

    Siblings that a killed process left are removed.

    Raises:
        DiskFull: a previous file at ``path`` is unchanged.
        HeadstartError: ``path`` cannot be written.

    Example::

        with whole_file(path) as partial:
            partial.write_text("done")
    """
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(path)
        try:
            mode = _create(partial)
            yield partial
            with open(partial, "rb+") as file:
                os.fsync(file.fileno())
            partial.chmod(mode)
            os.replace(partial, path)
            _sync_folder(path.parent)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling folder that replaces ``path`` once it is complete.

    All files in it get the permissions that the user's umask leaves.

    Raises:
        DiskFull: a previous folder at ``path`` is unchanged.
        HeadstartError: ``path`` cannot be written.
    """
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(path)
        try:
            partial.mkdir()
            yield partial
            mode = partial.stat().st_mode & 0o666
            for file in partial.rglob("*"):
                if file.is_file():
                    with open(file, "rb+") as open_file:
                        os.fsync(open_file.fileno())
                    # Some libraries write files that only their owner may read.
                    file.chmod(mode)
            _put(partial, path)
            _sync_folder(path.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with whole_file(path) as partial:
        # Names of files may hold bytes that are not UTF-8.
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


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


def sibling(path: Path, ending: str) -> Path:
    """Return the hidden ``.NAME.ENDING`` beside ``path``; a long name is replaced by its digest."""
    name = f".{path.name}.{ending}"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}.{ending}"
    return path.with_name(name)


def cache_home() -> Path:
    """Return where this user's programs keep what can be made again: ``$XDG_CACHE_HOME``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "headstart"


def scratch() -> Path:
    """Return the temporary folder of this process, which is deleted when it ends.

    Those that killed processes left are deleted, too.

    Raises:
        HeadstartError: no folder for temporary files can be written, as on a full disk.
    """
    # Systems clear what is old in their temporary folder, while a notebook stays open for weeks.
    if not _scratch().is_dir():
        _scratch.cache_clear()
    return _scratch()


@cache
def _scratch() -> Path:
    try:
        for left in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*{_PARTIAL}"):
            if _abandoned(left.name):
                shutil.rmtree(left, ignore_errors=True)
        folder = tempfile.mkdtemp(prefix=f"{_SCRATCH}.", suffix=f".{_owned('scratch')}")
    except OSError as error:
        raise HeadstartError(no_temporary(error)) from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def no_temporary(error: OSError) -> str:
    """Return the sentence for a machine that has no folder for temporary files."""
    return f"no temporary file can be written ({error.strerror}); {_NO_ROOM}"


def no_room(error: BaseException) -> str | None:
    """Return the sentence for an error that means a full disk, from whatever library; else None."""
    if isinstance(error, OSError) and "No usable temporary directory" in str(error.strerror):
        return no_temporary(error)  # some libraries look for one when imported
    is_full = isinstance(error, Exception) and _number(error) in _FULL
    if is_full and getattr(error, "filename", None) is None:
        return f"the disk is full, that of temporary files or of the cache; {_NO_ROOM}"
    return None if error.__cause__ is None else no_room(error.__cause__)


def reserve(path: Path) -> None:
    """Take the room on the disk that a file promises, before it is written through its memory map.

    Where there is none, writing through a map does not raise an error: it kills the process.

    Raises:
        HeadstartError: there is no room.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        with open(path, "rb+") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    except OSError as error:
        if sentence := no_room(error):  # others mean that a file system cannot reserve any
            raise HeadstartError(sentence) from None


def sweep(folder: Path) -> None:
    """Delete what killed processes of this machine left half-written in a folder, at any depth.

    A folder that was about to be replaced is put back in its place.
    """
    for path in list(folder.rglob(f".*{_PARTIAL}")):
        if _abandoned(path.name):
            _end(path, path.with_name(path.name[1:].rsplit(".", _ENDINGS)[0]))


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Raise the system's errors of writing ``path`` as a sentence.

    Raises:
        DiskFull: there is no room.
        HeadstartError: it is not permitted, or no file can have this name.
    """
    try:
        yield
    except HeadstartError:
        raise
    except Exception as error:
        found = unwritable(error, path)
        if found is error:
            raise
        raise found from error


def unwritable(error: Exception, path: Path) -> Exception:
    """Return a plain error for a disk that is full or not writable, and any other unchanged."""
    number = _number(error)
    if number in _FULL:
        return DiskFull(
            f"the disk is full: {path} could not be written; free some space, and repeat the "
            "command, a training with --resume (what was saved before is whole)."
        )
    about = getattr(error, "filename", None)
    is_other = isinstance(about, str) and not (
        Path(about).is_relative_to(path.parent) or path.is_relative_to(about)
    )
    if number not in _UNWRITABLE or is_other:
        return error
    return HeadstartError(f"{path} cannot be written: {_UNWRITABLE[number]}.")


def _number(error: Exception) -> int | None:
    """Return the number of the system's error, which libraries in Rust name in their message."""
    if isinstance(error, OSError):
        return error.errno
    named = re.search(r"\(os error (\d+)\)", str(error))
    return int(named[1]) if named else None


def _partial(path: Path) -> Path:
    """Return a new temporary sibling, and end what killed processes began.

    Its name says which process of which machine it belongs to.

    Raises:
        OSError: no file can have this name.
    """
    with suppress(FileNotFoundError):
        os.lstat(path)
    for left in _left(path):
        _end(left, path)
    return path.with_name(_start(path) + _owned(secrets.token_hex(4)))


def clear_beside(path: Path, *beside: Path) -> None:
    """Delete what a killed process of this machine wrote beside ``path``, before ``path`` itself.

    The file that gives the others their meaning is written last, so that it is never there alone.
    """
    if path.parent.is_dir() and not os.path.lexists(path) and _left(path):
        for each in beside:
            if os.path.lexists(each):
                delete(each)


def _left(path: Path) -> list[Path]:
    """Return the temporary siblings of ``path`` that killed processes left."""
    left = []
    for entry in os.scandir(path.parent):
        ending = ".".join(entry.name.rsplit(".", _ENDINGS)[1:])
        is_of_path = entry.name.startswith(_start(path))
        is_of_path = is_of_path or entry.name == sibling(path, ending).name
        if is_of_path and _abandoned(entry.name):
            left.append(Path(entry))
    return left


def _start(path: Path) -> str:
    """Return how the names of the temporary siblings of ``path`` begin."""
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]
    return f".{path.name[:_STEM]}.{digest}."


def _owned(kind: str) -> str:
    """Return the ending of a temporary file: which process of which machine it belongs to."""
    return f"{_machine()}.{os.getpid()}.{kind}{_PARTIAL}"


def _end(partial: Path, path: Path) -> None:
    """End what a process that was killed while it wrote ``path`` began."""
    if partial.name.endswith(f".{_FORMER}{_PARTIAL}") and not os.path.lexists(path):
        os.replace(partial, path)
    else:
        delete(partial)


def _abandoned(name: str) -> bool:
    """Return whether the process of this machine that a partial file belongs to is gone."""
    *_, machine, process, _, _ = ["", *name.split(".")] if name.count(".") > 3 else [""] * 4
    return machine == _machine() and process.isdigit() and has_ended(int(process))


def has_ended(process: int) -> bool:
    """Return whether no process of this machine has this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is another user's
        pass
    return False


def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _create(path: Path) -> int:
    """Create an empty file, and return the permissions that the user's umask leaves."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return os.fstat(handle).st_mode & 0o777
    finally:
        os.close(handle)


def _put(folder: Path, path: Path) -> None:
    """Move a folder to ``path``, in the place of a folder that may be there."""
    if not path.exists():
        os.replace(folder, path)
        return
    # Its name tells what it was, for the case that the process is killed between the two moves.
    old = sibling(path, _owned(_FORMER))
    os.replace(path, old)
    try:
        os.replace(folder, path)
    except OSError:
        os.replace(old, path)
        raise
    delete(old)


def delete(path: Path) -> None:
    """Delete a file, a link, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
