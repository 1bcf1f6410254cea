"""Processes that die in the middle of a change of files."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

#: What changes the file system.
CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "open"}

#: Does work in a process that dies at a change below a folder; returns whether it came to that.
Dying = Callable[[Path, int, Callable[[], object]], bool]


@pytest.fixture
def dying() -> Dying:
    def run(below: Path, change: int, work: Callable[[], object]) -> bool:
        child = os.fork()
        if child:
            return os.WIFSIGNALED(os.waitpid(child, 0)[1])
        left = [change]

        def strike(event: str, arguments: tuple[object, ...]) -> None:
            if event not in CHANGES or not str(arguments[0]).startswith(str(below)):
                return
            if event == "open" and not set("wax+") & set(str(arguments[1])):
                return
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(strike)
        try:
            work()
        finally:
            os._exit(0)

    return run
