"""What ends a command from outside: Ctrl-C, SIGTERM, and a terminal that is closed (SIGHUP)."""

from __future__ import annotations

import os
import signal
from types import FrameType

#: Signals that end a process which does nothing about them.
ENDING = (signal.SIGTERM, signal.SIGHUP) if hasattr(signal, "SIGHUP") else (signal.SIGTERM,)


class Stopped(KeyboardInterrupt):
    """The process is to end, and cleans up as on Ctrl-C.

    Attributes:
        signum: the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def signal_of(error: KeyboardInterrupt) -> int:
    """Return the number of the signal that an interruption stands for."""
    return error.signum if isinstance(error, Stopped) else signal.SIGINT


def stop_cleanly() -> None:
    """Let SIGTERM and SIGHUP raise :class:`Stopped` in this process, and not in forked ones.

    Those that are ignored, as under ``nohup``, or handled already stay as they are.
    """
    taken = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _stop)
    os.register_at_fork(after_in_child=_reset)


def ignore() -> None:
    """Ignore whatever would end this process, while it deletes what is temporary."""
    for number in (signal.SIGINT, *ENDING):
        signal.signal(number, signal.SIG_IGN)


def _stop(signum: int, frame: FrameType | None) -> None:
    raise Stopped(signum)


def _reset() -> None:
    for number in ENDING:
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_DFL)
