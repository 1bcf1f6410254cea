"""Damages of a run folder: every file of a run, in every way a file is damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Damage = Callable[[Path], None]


def missing(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[2 * len(content) // 3] ^= 0x10
    file.write_bytes(content)


def of_another_type(file: Path) -> None:
    file.write_bytes(b"GIF89a\x01\x00\x01\x00\x00\xff\x00,\x00\x00\x00\x00\x01\x00\x01\x00")


def huge(file: Path) -> None:
    with open(file, "ab") as end:
        end.truncate(1 << 28)  # sparse: it takes no space on the disk


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def unreadable(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)  # a circle, since to the superuser every file is readable


def of_other_values(file: Path) -> None:
    """Valid JSON or YAML that says something else, as another version might."""
    file.write_text(json.dumps({"version": 99}), encoding="utf-8")


DAMAGES: dict[str, Damage] = {
    "missing": missing,
    "empty": empty,
    "cut": cut,
    "flipped bit": flipped,
    "another type": of_another_type,
    "huge": huge,
    "a folder": a_folder,
    "a circle of links": unreadable,
    "other values": of_other_values,
}


@dataclass(frozen=True)
class Case:
    """One file of a run, one damage, and one command on that run.

    Attributes:
        words: the command; ``{run}`` stands for the damaged run, ``{out}`` for a new path.
    """

    run: str
    file: str
    damage: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.words[0]}: {self.run}/{self.file} {self.damage}"

    def prepared(self, runs: Path, scratch: Path) -> list[str]:
        """Copy the run to ``scratch``, damage it, and return the command."""
        run = scratch / self.run
        shutil.copytree(runs / self.run, run)
        DAMAGES[self.damage](run / self.file)
        known = {"run": run, "out": scratch / "out", "runs": runs}
        return [word.format(**known) for word in self.words]


def cases(runs: Path, commands: dict[str, list[tuple[str, ...]]]) -> Iterator[Case]:
    """Yield every case for the runs in a folder, given the commands that each is opened with."""
    for name, each in commands.items():
        files = sorted(file for file in (runs / name).rglob("*") if file.is_file())
        for file in files:
            for damage in DAMAGES:
                for words in each:
                    yield Case(name, str(file.relative_to(runs / name)), damage, words)
