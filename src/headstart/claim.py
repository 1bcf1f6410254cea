"""Who may write into a run folder: its lock, and the replacement that is built beside it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from headstart.errors import HeadstartError
from headstart.files import delete, has_ended, sibling, sweep, writable
from headstart.run import LOCK, RunFolder

#: Endings of the siblings of a run that is replaced: the new one, and for a moment the old one.
_NEW, _OLD = "headstart-new", "headstart-old"
#: Seconds to wait for a lock whose process has died; its children may outlive it.
_PATIENCE = 10.0


@contextmanager
def claimed(out: str | Path, *, fresh: bool, overwrite: bool) -> Iterator[RunFolder]:
    """Lock a run folder for this process, and yield it.

    With ``overwrite``, and where a run is, this is a replacement beside it (see
    :func:`take_place`): the run itself stays as it is. The lock ends with the process, however it
    ends.

    Args:
        out: the folder; it is made where it is not there.
        fresh: a new run begins in it; else one goes on.

    Raises:
        HeadstartError: the folder holds something else, another process is in it, or it is not
            writable.
    """
    target = place(out)
    with writable(target):
        os.makedirs(target.parent, exist_ok=True)
        _mend(target)
        run = RunFolder(target)
        replaces = overwrite and run.begun
        if fresh:
            _check_free(run, replaces)
        with _locked(target, note=not replaces):
            if not replaces:
                if fresh:
                    _clear(sibling(target, _NEW))
                sweep(target)
                yield run
                return
            new = RunFolder(sibling(target, _NEW), target)
            with _locked(new.folder):
                if fresh:
                    _clear(new.folder)
                sweep(new.folder)
                try:
                    yield new
                finally:
                    if new.folder.is_symlink():
                        new.folder.unlink()


def place(out: str | Path) -> Path:
    """Return the folder that ``out`` names, such that it can have siblings."""
    path = Path(out)
    return Path(os.path.realpath(path)) if os.path.islink(path) or path.name in ("", "..") else path


def _check_free(run: RunFolder, replaces: bool) -> None:
    """Refuse a folder that holds what may not be deleted.

    Raises:
        HeadstartError: it does.
    """
    if not run.begun:
        return
    if not run.is_ours():
        raise HeadstartError(f"{run.folder} exists and is not a run folder; choose another --out.")
    if not replaces:
        raise HeadstartError(
            f"{run.folder} holds a run already; go on with --resume, start again with "
            "--overwrite, or choose another --out."
        )
    if foreign := run.foreign():
        raise HeadstartError(
            f"{run.folder} also holds {foreign[0]!r}, which no run writes; move it away, or choose "
            "another --out: --overwrite deletes only what headstart made."
        )


def replacement(out: str | Path) -> RunFolder | None:
    """Return the replacement of a run that was begun and has not taken its place yet."""
    target = place(out)
    run = RunFolder(sibling(target, _NEW), target)
    return run if run.begun and not run.folder.is_symlink() else None


def take_place(run: RunFolder) -> None:
    """Put a replacement in the place of the run that it replaces, which is deleted.

    Its former path leads there until the process ends, since files are open and other processes
    know them by it.
    """
    if run.folder == run.out or run.folder.is_symlink():
        return
    old = sibling(run.out, _OLD)
    with writable(run.out):
        os.replace(run.out, old)
        os.replace(run.folder, run.out)
        run.folder.symlink_to(run.out.name, target_is_directory=True)
    shutil.rmtree(old, ignore_errors=True)


def discard(run: RunFolder) -> None:
    """Delete a run that is not worth keeping: nothing was trained."""
    if not run.folder.is_symlink():
        shutil.rmtree(run.folder, ignore_errors=True)


def _mend(target: Path) -> None:
    """End what a process that was killed in :func:`take_place` began."""
    new, old = sibling(target, _NEW), sibling(target, _OLD)
    if old.is_dir():
        if not target.exists():
            with _locked(new if new.is_dir() else old, note=False):
                os.replace(new if new.is_dir() else old, target)
        shutil.rmtree(old, ignore_errors=True)
    if new.is_symlink():
        with _locked(target, note=False):
            new.unlink()


def _clear(folder: Path) -> None:
    """Empty the folder of a replacement that is given up."""
    for path in folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ():
        if path.name != LOCK:
            delete(path)


@contextmanager
def _locked(folder: Path, *, note: bool = True) -> Iterator[None]:
    """Hold the lock of a folder.

    Args:
        note: write down which process this is, for the message to others.
    """
    folder.mkdir(exist_ok=True)
    file = folder / LOCK
    lock = FileLock(file, timeout=0)
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            lock.acquire()
            break
        except Timeout:
            holder = _holder(folder)
            if not _gone(holder) or time.monotonic() > deadline:
                raise HeadstartError(
                    f"{holder} is at work on the run {folder}; wait until it ends, or choose "
                    "another --out."
                ) from None
            time.sleep(0.1)
    try:
        if note:
            file.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        lock.release()


def _holder(folder: Path) -> str:
    """Return which process holds the lock; one that replaces a run notes it beside."""
    for place in (sibling(folder, _NEW), folder):
        with suppress(OSError, UnicodeDecodeError):
            if noted := (place / LOCK).read_text(encoding="utf-8"):
                return noted
    return "another process"


def _gone(holder: str) -> bool:
    """Return whether a process of this machine has ended."""
    known = re.fullmatch(r"process (\d+) on (.+)", holder)
    return known is not None and known[2] == socket.gethostname() and has_ended(int(known[1]))
