"""Ctrl-C, SIGTERM and SIGHUP: save and stop at the next step boundary."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from headstart.errors import CutOff
from headstart.stopping import ENDING


class Interrupted(CutOff):
    """Training was interrupted and can be resumed.

    Attributes:
        exit_code: 128 plus the signal's number, as shells expect: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, message: str, signum: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signum


class Signals:
    """Records the first signal; a second Ctrl-C stops immediately, without saving.

    Args:
        command: how to go on, for the message.
    """

    def __init__(self, command: str = "--resume") -> None:
        self.received: int | None = None
        self._command = command

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.received is not None and signum == signal.SIGINT:
            raise Interrupted(
                f"stopped at once; go on from the last checkpoint with `{self._command}`.", signum
            )
        self.received = signum

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch the signals inside the block; outside the main thread, none."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
        self.install()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def install(self) -> None:
        """Install the handlers; again after Lightning has set its own at the start of a fit."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._handle)
            for number in ENDING:
                if signal.getsignal(number) != signal.SIG_IGN or number == signal.SIGTERM:
                    signal.signal(number, self._handle)
