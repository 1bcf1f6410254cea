"""The one exception for mistakes that the user can fix."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

#: Characters of the longest message.
LONGEST = 300


class HeadstartError(Exception):
    """A mistake that the user can fix.

    Its message is one plain sentence: what is wrong, where, and what to do. The command line
    prints the message alone and exits with code 1; Python callers get it as an exception.

    What users gave may be quoted as it is: control characters are escaped, and of values and paths
    that are too long the middle is left out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))


class UnknownNameError(HeadstartError):
    """A name that data do not have; the message hints at similar ones, which are not for all."""


class CutOff(HeadstartError):
    """Work that was ended from outside, by a signal, a killed process or a full disk.

    What was done until then is whole, and ``--resume`` goes on with it.
    """


def shown(text: str, most: int = LONGEST) -> str:
    """Return a message, or a part of it, as it can be shown: printable, and not too long.

    Control characters and broken code points are escaped. The end, which says what to do, is kept.
    """
    if not text.isprintable():
        text = "".join(
            each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
        )
    for longest in (96, 64, 48, 32):
        if len(text) <= most:
            return text
        half = longest // 2 - 1
        text = re.sub(rf"(\S{{{half}}})\S{{2,}}(\S{{{half}}})", r"\1…\2", text)
    if len(text) <= most:
        return text
    return f"{text[: most // 2 - 2]} … {text[1 - most // 2 :]}"


def did_you_mean(name: str, known: Iterable[str], *, most: int = 10, all_in: str = "") -> str:
    """Return the end of a sentence about an unknown name: the nearest names, or those there are.

    Args:
        most: names that are listed where none is near; more are counted.
        all_in: the command that lists all of them.

    >>> did_you_mean("sed", ["seed", "steps"])
    "; did you mean 'seed'?"
    >>> did_you_mean("x", ["seed", "steps"])
    '; choose one of: seed, steps.'
    """
    names = sorted(set(known))
    if near := nearest(name, names):
        return f"; did you mean {' or '.join(map(repr, near))}?"
    if not names:
        return "; check the name."
    if (count := len(names)) > most:
        near = sorted(sorted(names, key=lambda other: -_likeness(name, other))[:most])
        where = f" (`{all_in}` has all)" if all_in else ""
        return f"; choose one, the nearest of {count} are: {', '.join(near)}{where}."
    return f"; choose one of: {', '.join(names)}."


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> list[str]:
    """Return the known names that may be meant by an unknown one, nearest first; three at most.

    Args:
        likeness: the least of a name, from 0 to 1: more where names are many, or where the unknown
            one may be right.

    >>> nearest("tokens", ["token", "pokers", "steps"])
    ['token']
    """
    close = difflib.get_close_matches(name, sorted(set(known)), n=3, cutoff=likeness)
    return [other for other in close if _likeness(name, other) > _likeness(name, close[0]) - 0.05]


def several(names: Iterable[str], *, most: int = 10, all_in: str = "") -> str:
    """Return names in their order, at most so many, and how many more there are.

    Args:
        all_in: the command that lists all of them.

    >>> several(["a", "b", "c"], most=2, all_in="headstart list objectives")
    'a, b and 1 more (`headstart list objectives`)'
    """
    found = list(names)
    if len(found) <= most:
        return ", ".join(found)
    where = f" (`{all_in}`)" if all_in else ""
    return f"{', '.join(found[:most])} and {len(found) - most} more{where}"


def _likeness(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, name).ratio()


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
