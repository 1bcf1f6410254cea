"""The keys of a server: read from a file of its owner alone, compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import stat
from pathlib import Path

from headstart.errors import HeadstartError

#: Fewest characters of a key: 96 bits, where it is random base64.
SHORTEST = 16
_REMEDY = "write one with `openssl rand -hex 32 > FILE; chmod 600 FILE`"


class Keys:
    """The keys of a file, kept as digests.

    Args:
        digests: (SHA-256) of the keys.

    Example::

        keys = Keys.read(Path("keys"))
        keys.admits("Bearer 3f0c...")
    """

    def __init__(self, digests: list[bytes]) -> None:
        self._digests = digests

    @classmethod
    def read(cls, file: Path) -> Keys:
        """Read a key from each line; blank lines, and those that begin with ``#``, are none.

        Raises:
            HeadstartError: others can read or change the file, or it holds no key, or a short one.
        """
        try:
            with open(file, encoding="utf-8") as opened:
                # Of the opened file, so that it cannot be exchanged in between.
                about = os.fstat(opened.fileno())
                text = opened.read(2**20)
        except FileNotFoundError:
            raise HeadstartError(f"there is no key file {file}; {_REMEDY}.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise HeadstartError(
                f"the key file {file} cannot be read ({type(error).__name__}); {_REMEDY}."
            ) from None
        others = stat.S_IRWXG | stat.S_IRWXO
        if os.name == "posix" and (not stat.S_ISREG(about.st_mode) or about.st_mode & others):
            raise HeadstartError(
                f"others than its owner can open the key file {file}; take that away with "
                f"`chmod 600 {file}`, and write new keys if somebody may have read them."
            )
        lines = [line.strip() for line in text.splitlines()]
        keys = [line for line in lines if line and not line.startswith("#")]
        if not keys:
            raise HeadstartError(f"the key file {file} holds no key; {_REMEDY}.")
        for number, key in enumerate(keys, start=1):
            if len(key) < SHORTEST or not key.isascii() or " " in key:
                raise HeadstartError(
                    f"key {number} of {file} has fewer than {SHORTEST} characters, or others than "
                    f"ASCII without spaces; {_REMEDY}."
                )
        return cls([_digest(key) for key in keys])

    def admits(self, authorization: str) -> bool:
        """Return whether an ``Authorization`` header carries a key.

        As ``Bearer KEY``, or as the password of ``Basic``, which is how browsers send one. All keys
        are compared, each in constant time, so that the time tells nothing about them.
        """
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                given = ""
        elif scheme.lower() != "bearer":
            given = ""
        digest = _digest(given.strip())
        return sum([hmac.compare_digest(digest, known) for known in self._digests]) > 0


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="replace")).digest()
