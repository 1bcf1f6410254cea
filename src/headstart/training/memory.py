"""Reuse of allocated memory: fresh pages cost as much as the arithmetic that fills them."""

from __future__ import annotations

import ctypes
import sys

#: Numbers of glibc's ``mallopt`` (malloc.h).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_ROOM = 64 * 2**20


def keep_buffers() -> bool:
    """Let the C library reuse large blocks instead of returning them to the system.

    Activations of several megabytes are allocated and freed in every step. By default glibc maps
    each anew, and the system clears its pages on first access. The process then holds its peak
    memory until it ends. Except on Linux with glibc nothing changes.

    Returns:
        Whether it was done.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: _ROOM}
    return min(mallopt(name, value) for name, value in settings.items()) == 1
