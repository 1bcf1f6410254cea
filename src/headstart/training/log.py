"""The log of a run for people: rare, plain sentences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


class RunLog:
    """Prints a sentence on the console and appends it to ``log.txt``."""

    def __init__(self, path: Path | None, console: Console | None) -> None:
        self._path, self._console = path, console

    def __call__(self, message: str) -> None:
        if self._console is not None:
            self._console.print(message, highlight=False, soft_wrap=True)
        if self._path is not None:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(message + "\n")
