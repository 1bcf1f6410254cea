"""The versions of a run, of which one counts: the run itself is a link to it.

::

    runs/stars            -> stars.versions/2      the pointer
    runs/stars.versions/1/                         what was there before the first update
    runs/stars.versions/2/, 2.data/                a version with the records that it learned from
    runs/stars.versions/2.held_out/                records that no version ever learns from
    runs/stars.versions/2.plan.json, 2.verdict.json

Before the first update the run is a folder. It changes places with a link in one step, where the
system can (`renameat2` of Linux); every later swap replaces the link in one step. A version counts
from then on; whatever kills the process before, the former one does.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from headstart.errors import HeadstartError, several
from headstart.files import delete, sweep, writable, write_json
from headstart.stored import read_json

_LOCK, _AT_CWD, _EXCHANGE = ".lock", -100, 2
#: What was decided about a version and is not done yet.
_JUDGED = "judged.json"


class Versions:
    """The versions of a run.

    Args:
        run: the run, a folder or a link to one of its versions.

    Example::

        versions = Versions(Path("runs/stars"))
        print(versions.current, versions.numbers())
    """

    def __init__(self, run: Path) -> None:
        self.run = Path(os.path.abspath(run))
        if self.run.parent.name.endswith(".versions") and self.run.name.isdigit():
            name = self.run.parent.name.removesuffix(".versions")
            raise HeadstartError(
                f"{run} is a version; name the run itself, {self.run.parent.parent / name}."
            )
        self.folder = self.run.with_name(f"{self.run.name}.versions")

    @property
    def current(self) -> int:
        """The version that counts."""
        if not self.run.is_symlink():
            return 1
        target = Path(os.readlink(self.run))
        if target.parent.name != self.folder.name or not target.name.isdigit():
            raise HeadstartError(
                f"{self.run} is a link to {target}, which is no version of it; name that run."
            )
        return int(target.name)

    def place(self, version: int) -> Path:
        """Return the folder of a version."""
        is_first = version == 1 and not self.run.is_symlink()
        return self.run if is_first else self.folder / str(version)

    def file(self, version: int, what: str) -> Path:
        """Return the path of what belongs to a version, such as its ``plan.json``."""
        return self.folder / f"{version}.{what}"

    def numbers(self) -> list[int]:
        """Return the versions that there are, in their order; the current one among them."""
        found = {self.current}
        if self.folder.is_dir():
            names = (path.name for path in self.folder.iterdir() if path.is_dir())
            found |= {int(name) for name in names if name.isdigit() and self._was_taken(int(name))}
        return sorted(found)

    def _was_taken(self, version: int) -> bool:
        verdict = self.verdict(version)
        return version == 1 or version == self.current or bool(verdict and verdict.get("taken"))

    def verdict(self, version: int) -> dict[str, Any] | None:
        """Return what was decided about a version; None where nothing was yet."""
        file = self.file(version, "verdict.json")
        return read_json(file, taken=bool) if file.is_file() else None

    def judged(self) -> list[int]:
        """Return all versions that anything was decided about, refused ones as well."""
        found = self.folder.glob("*.verdict.json") if self.folder.is_dir() else ()
        names = (path.name.partition(".")[0] for path in found)
        return sorted(int(name) for name in names if name.isdigit())

    def pending(self) -> int | None:
        """Return the version of an update that was begun and not decided."""
        for file in self.folder.glob("*.plan.json") if self.folder.is_dir() else ():
            name = file.name.partition(".")[0]
            if name.isdigit() and self.verdict(int(name)) is None:
                return int(name)
        return None

    def next(self) -> int:
        """Return the number of a new version."""
        return 1 + max([self.current, *self.numbers(), *self.judged()])

    def note(self, version: int, what: str, content: dict[str, Any]) -> None:
        """Write what belongs to a version, whole or not at all."""
        write_json(self.file(version, what), content)

    def drop(self, version: int) -> None:
        """Delete the files of a version that does not count, but what was decided about it."""
        delete(self.place(version))
        for what in ("data", "records", "plan.json"):
            delete(self.file(version, what))

    def decide(self, version: int, verdict: dict[str, Any]) -> None:
        """Write down what was decided about a version, and do it.

        Once it is written the decision holds: if the process is killed, :meth:`mend` does it.
        """
        self.note(version, _JUDGED, verdict)
        self._carry_out(version)

    def _carry_out(self, version: int) -> None:
        judged = self.file(version, _JUDGED)
        if read_json(judged, taken=bool)["taken"]:
            self._point_to(version)
            delete(self.file(version, "records"))
        else:
            self.drop(version)
        os.replace(judged, self.file(version, "verdict.json"))

    def swap(self, version: int) -> None:
        """Make a version the one that counts, in one step.

        Raises:
            HeadstartError: there is no such version.
        """
        if version not in self.numbers():
            was = "was refused" if self.verdict(version) is not None else "does not exist"
            raise HeadstartError(
                f"version {version} of {self.run} {was}; there is "
                f"{several(map(str, self.numbers()))}."
            )
        self._point_to(version)

    def _point_to(self, version: int) -> None:
        if version == self.current:
            return
        target = Path(self.folder.name, str(version))
        if not self.run.is_symlink():
            self._give_way(target)
            return
        link = self.folder / f"next.{os.getpid()}.partial"
        with suppress(FileNotFoundError):
            link.unlink()
        link.symlink_to(target, target_is_directory=True)
        os.replace(link, self.run)

    def _give_way(self, target: Path) -> None:
        """Put a link in the place of the run's folder, which becomes version 1."""
        first = self.folder / "1"
        with suppress(FileNotFoundError):
            first.unlink()  # the link of a process that was killed before the exchange
        first.symlink_to(target, target_is_directory=True)
        if _exchanged(first, self.run):
            return
        first.unlink()
        os.replace(self.run, first)
        self.run.symlink_to(target, target_is_directory=True)

    def mend(self) -> int | None:
        """End what a killed process began; return the version whose decision was carried out."""
        first = self.folder / "1"
        if not os.path.lexists(self.run) and first.is_dir() and not first.is_symlink():
            self.run.symlink_to(Path(self.folder.name, "1"), target_is_directory=True)
        for judged in self.folder.glob(f"*.{_JUDGED}"):
            version = int(judged.name.partition(".")[0])
            self._carry_out(version)
            return version
        return None

    @contextmanager
    def locked(self) -> Iterator[int | None]:
        """Keep other updates of the run away, and end what a killed one had decided.

        Yields:
            The version whose decision was carried out, if there was one.

        Raises:
            HeadstartError: one is at work.
        """
        with writable(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / _LOCK, timeout=0)
            try:
                lock.acquire()
            except Timeout:
                raise HeadstartError(
                    f"another process updates {self.run}; wait until it ends."
                ) from None
            try:
                sweep(self.folder)
                for left in self.folder.glob("next.*.partial"):
                    left.unlink()
                yield self.mend()
            finally:
                lock.release()


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; return False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done: int = rename(_AT_CWD, os.fsencode(one), _AT_CWD, os.fsencode(other), _EXCHANGE)
    return done == 0
