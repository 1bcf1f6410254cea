"""The folder of a compression that is not done: what a killed command goes on with.

::

    OUT.candidates/plan.json     what was begun; other options are other work
    OUT.candidates/learned/ held/    the records
    OUT.candidates/start N/ candidate N/ int8 N/    smaller networks, and what they have learned
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from headstart.errors import HeadstartError
from headstart.files import delete, sweep, writable, write_json
from headstart.run import RunFolder
from headstart.stored import read_json

NOTE, _LOCK = "plan.json", ".lock"


def work_of(out: str) -> Path:
    """Return the folder of the unfinished work."""
    return Path(f"{out.rstrip('/')}.candidates")


def clear_finished(out: str) -> None:
    """Delete the work of a run that is written: its process was killed while it did so."""
    work = work_of(out)
    with writable(work):  # a name may be too long to look for
        if RunFolder(out).compressed_file.is_file() and (work / NOTE).is_file():
            shutil.rmtree(work)


@contextmanager
def unfinished(out: str, given: dict[str, Any], say: Callable[[str], None]) -> Iterator[Path]:
    """Yield the folder of the work, new or gone on with; at the end of the block it is deleted.

    Args:
        given: the options that make the work what it is.

    Raises:
        HeadstartError: other work, or something else, lies there, or another process is at it.
    """
    work = work_of(out)
    note = work / NOTE
    with writable(work):
        if not note.is_file() and not _is_new(work):
            raise HeadstartError(f"{work} is in the way; move it, or choose another --out.")
        work.mkdir(parents=True, exist_ok=True)
        lock = FileLock(work / _LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise HeadstartError(
                f"another process compresses to {out}; wait until it ends, or choose another --out."
            ) from None
    try:
        sweep(work)
        if not note.is_file():
            write_json(note, given)
        elif read_json(note) != given:
            raise HeadstartError(
                f"a compression with other options was begun for {out}; finish it with the same "
                f"command, or delete {work}."
            )
        else:
            say(f"going on with what lies in {work}")
        yield work
        # The note, which says whose folder this is, goes last.
        for each in work.iterdir():
            if each.name not in (NOTE, _LOCK):
                delete(each)
        shutil.rmtree(work)
    finally:
        lock.release()


def _is_new(work: Path) -> bool:
    """Return whether nothing is there, or only what was begun before the note was written."""
    if not work.is_dir():
        return not (work.exists() or work.is_symlink())
    return all(each.name == _LOCK or each.suffix == ".partial" for each in work.iterdir())
