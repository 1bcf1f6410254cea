"""Names for things that are imported only when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from headstart.errors import HeadstartError, did_you_mean

#: How alike a slip is to what was meant: mixnet_s of timm is no slip of xlnet.
_SLIP = 0.65


class Registry:
    """A read-only table ``name -> "module:attribute"``, resolved lazily.

    One stands in the ``__init__`` of each folder that grows by adding a file: modalities,
    encoders, objectives, and downstream tasks.
    """

    def __init__(self, kind: str, entries: dict[str, str]) -> None:
        self.kind = kind
        self._entries = entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> Any:
        """Import and return the entry; an unknown name is a :class:`HeadstartError`."""
        self.check(name)
        module, attribute = self._entries[name].split(":")
        return getattr(import_module(module), attribute)

    def check(self, name: str) -> None:
        """Raise a :class:`HeadstartError` for an unknown name, without importing anything."""
        if name not in self._entries:
            raise HeadstartError(f"unknown {self.kind} {name!r}{did_you_mean(name, self._entries)}")

    def near(self, name: str) -> bool:
        """True where ``name`` is unknown but looks like a slip of a known one."""
        return name not in self._entries and bool(
            get_close_matches(name, self._entries, cutoff=_SLIP)
        )
