"""Options that name a run, or a file to write.

``~`` is the home also where no shell has seen it, as in Python.
"""

from __future__ import annotations

from os.path import expanduser
from typing import Annotated, Any

from pydantic import AfterValidator


def _expanded(value: Any) -> Any:
    return [*map(_expanded, value)] if isinstance(value, list) else value and expanduser(value)


#: One place, one or none, and several.
Place = Annotated[str, AfterValidator(_expanded)]
OptionalPlace = Annotated[str | None, AfterValidator(_expanded)]
Places = Annotated[list[str], AfterValidator(_expanded)]
