"""A cache of decoded squares, which several candidates of an evaluation read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.errors import HeadstartError
from headstart.modalities.image.pixel_file import decode_square

#: Most bytes of decoded images in the cache.
REMEMBERED = 2**28


class Squares:
    """A cache of decoded squares, which stops growing at :data:`REMEMBERED` bytes."""

    def __init__(self) -> None:
        self._held: dict[tuple[Any, ...], np.ndarray] = {}
        self._bytes = 0

    def get(self, value: Mapping[str, Any], side: int) -> np.ndarray | str:
        """Return the square (3,side,side) uint8 of an image, or why it cannot be decoded."""
        key = self._key(value, side)
        known = None if key is None else self._held.get(key)
        if known is not None:
            return known
        found = decode_square(value, side)
        if key and not isinstance(found, str) and self._bytes + found.nbytes <= REMEMBERED:
            self._held[key] = found
            self._bytes += found.nbytes
        return found

    def require(self, value: Mapping[str, Any], side: int, name: str) -> np.ndarray:
        """Return the square (3,side,side) uint8 of the image ``name``.

        Raises:
            HeadstartError: it cannot be decoded.
        """
        found = self.get(value, side)
        if isinstance(found, str):
            raise HeadstartError(f"the picture {name} cannot be decoded: {found}; leave it out.")
        return found

    def _key(self, value: Mapping[str, Any], side: int) -> tuple[Any, ...] | None:
        if value["bytes"] is not None:
            return hashlib.blake2b(value["bytes"], digest_size=16).digest(), side
        try:
            status = os.stat(value["path"])
        except OSError:
            return None
        return value["path"], status.st_mtime_ns, status.st_size, side


SQUARES = Squares()
