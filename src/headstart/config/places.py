"""Options that name a run, or a file to write.

``~`` is the home also where no shell has seen it, as in Python.
"""

from __future__ import annotations

from os.path import expanduser
from typing import Annotated, Any

from pydantic import AfterValidator


def _expanded(value: Any) -> Any:
    """Return a place, or several, in full.

    Raises:
        ValueError: the name is not UTF-8, which networks, settings and pages cannot be written to.
    """
    if isinstance(value, list):
        return [*map(_expanded, value)]
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise ValueError("its name is not UTF-8; rename it, or choose another") from None
    return value and expanduser(value)


#: One place, one or none, and several.
Place = Annotated[str, AfterValidator(_expanded)]
OptionalPlace = Annotated[str | None, AfterValidator(_expanded)]
Places = Annotated[list[str], AfterValidator(_expanded)]
