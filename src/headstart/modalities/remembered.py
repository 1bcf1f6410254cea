"""A cache of decoded files, which several candidates of an evaluation read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from headstart.errors import HeadstartError
from headstart.modalities.file_values import key

#: Most bytes of decoded files in a cache.
REMEMBERED = 2**28


class Remembered:
    """A cache of decoded files, which stops growing at :data:`REMEMBERED` bytes.

    Args:
        decode: from a struct of ``bytes`` and ``path``, and what else :meth:`get` is given, to the
            array, or to the reason why there is none.
        noun: one record, for messages.
    """

    def __init__(self, decode: Callable[..., np.ndarray | str], noun: str) -> None:
        self._decode, self._noun = decode, noun
        self._held: dict[tuple[Any, ...], np.ndarray] = {}
        self._bytes = 0

    def get(self, value: Mapping[str, Any], *how: Any) -> np.ndarray | str:
        """Return the array of a file, or why it cannot be decoded."""
        own = key(value)
        full = None if own is None else (*own, *how)
        known = None if full is None else self._held.get(full)
        if known is not None:
            return known
        found = self._decode(value, *how)
        if full and not isinstance(found, str) and self._bytes + found.nbytes <= REMEMBERED:
            self._held[full] = found
            self._bytes += found.nbytes
        return found

    def require(self, value: Mapping[str, Any], *how: Any, name: str) -> np.ndarray:
        """Return the array of the file ``name``.

        Raises:
            HeadstartError: it cannot be decoded.
        """
        found = self.get(value, *how)
        if isinstance(found, str):
            raise HeadstartError(
                f"the {self._noun} {name} cannot be decoded: {found}; leave it out."
            )
        return found
