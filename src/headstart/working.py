"""Showing how far a step is: a bar on a terminal, elsewhere a line every half a minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread
from typing import TYPE_CHECKING

from headstart.batch import Progress

if TYPE_CHECKING:
    from rich.console import Console

#: Seconds between two lines outside of a terminal.
EVERY = 30.0


@contextmanager
def working(title: str, console: Console | None, say: Callable[[str], None]) -> Iterator[Progress]:
    """Show that a step is at work, and how far it is.

    Args:
        title: what is done, such as ``reading the sources``.
        console: where a bar is shown if it is a terminal.
        say: is called with a line every :data:`EVERY` seconds elsewhere.

    Yields:
        A function of the records done and of all records; 0 where these are not known.
    """
    if console is not None and console.is_terminal:
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=console, transient=True) as bars:
            task = bars.add_task(title, total=None, count="")
            yield lambda done, total: bars.update(
                task, completed=done, total=total or None, count=_count(done, total)
            )
        return
    seen, ended, started = [0, 0], Event(), time.monotonic()
    since = [started]  # when the records of this total began

    def progress(done: int, total: int) -> None:
        if total != seen[1] or done < seen[0]:
            since[0] = time.monotonic()
        seen[:] = done, total

    def tell() -> None:
        while not ended.wait(EVERY):
            passed = time.monotonic() - started
            done, total = seen
            left = _left(done, total, time.monotonic() - since[0])
            parts = [f"{title}: {passed / 60:.1f} min", _count(done, total), left]
            say(", ".join(filter(None, parts)))

    # A thread begins without the context of its verb, which knows whether it is quiet.
    teller = Thread(target=copy_context().run, args=(tell,), daemon=True)
    teller.start()
    try:
        yield progress
    finally:
        ended.set()
        teller.join()


def _count(done: int, total: int) -> str:
    if not done:
        return ""
    return f"{done:,} of {total:,} ({done / total:.0%})" if total else f"{done:,} records"


def _left(done: int, total: int, seconds: float) -> str:
    """Return how long the rest takes at the speed so far; "" where nothing tells it."""
    if not 0 < done < total:
        return ""
    return f"about {seconds * (total - done) / done / 60:.1f} min left"
