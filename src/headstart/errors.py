"""The one exception for mistakes that the user can fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class HeadstartError(Exception):
    """A mistake that the user can fix.

    Its message is one plain sentence: what is wrong, where, and what to do. The command line
    prints the message alone and exits with code 1; Python callers get it as an exception.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or the list of known names."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; choose one of: {', '.join(names)}." if names else "."


def first_line(error: Exception) -> str:
    """Return the first line of an error of another library, as part of a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


@contextmanager
def refused(
    what: str,
    remedy: str,
    errors: type[Exception] | tuple[type[Exception], ...] = (OSError, ValueError),
) -> Iterator[None]:
    """Raise errors of another library as a sentence: ``WHAT: their first line; REMEDY.``"""
    try:
        yield
    except HeadstartError:
        raise
    except errors as error:
        raise HeadstartError(f"{what}: {first_line(error)}; {remedy}.") from None
