"""A watch of many windows with one level: at most 5% of watches ever raise a false alarm.

Each window is tested alone, which sees what is sudden, and each second, fourth, eighth, ... one
together with those right before it, which sees what is weak and lasts::

    window   1   2   3   4   5   6   7   8
    alone    .   .   .   .   .   .   .   .
    two          ---     ---     ---     ---
    four                 -------         -------
    eight                                ---------------

All tests of the watch share the level equally (Bonferroni). All windows are compared with one
baseline, so the tests depend on each other; this correction holds whatever their dependence.
"""

from __future__ import annotations

from collections.abc import Iterator

#: The level of a whole watch.
LEVEL = 0.05


def spans(window: int) -> Iterator[range]:
    """Yield the windows that are tested together when window ``window`` (from 0) has come.

    >>> [list(span) for span in spans(3)]
    [[3], [2, 3], [0, 1, 2, 3]]
    """
    size, ended = 1, window + 1
    while ended % size == 0:
        yield range(ended - size, ended)
        size *= 2


def looks(windows: int) -> int:
    """Return the number of tests of a watch of so many windows."""
    return sum(len(list(spans(window))) for window in range(windows))


def level_of(windows: int, kinds: int) -> float:
    """Return the level of each test of a watch.

    Args:
        windows: of the whole watch.
        kinds: tests of a span, such as of features and of labels.
    """
    return LEVEL / (looks(windows) * kinds)
