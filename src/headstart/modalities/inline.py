"""Records that are typed on the command line instead of in a file."""

from __future__ import annotations

import glob
import os
import re
from typing import TYPE_CHECKING

from headstart.data.discovery import STANDARD_INPUT
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Modality

#: Most bytes in the name of a file or folder, on all common file systems.
LONGEST_NAME = 255


def inline_records(modality: Modality, given: list[str]) -> Dataset | None:
    """Return the arguments as records; None if one names a file, or this kind cannot be typed.

    Raises:
        HeadstartError: one is blank, which is near nothing and of no class.
    """
    if any(map(names_file, given)):
        return None
    records = modality.inline([_whole(text) for text in given])
    if records is not None and not all(map(str.strip, given)):
        raise HeadstartError("what was typed is blank; type a record, or name a file.")
    return records


def _whole(text: str) -> str:
    """Return what was typed, in which bytes that the terminal does not know are read as UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:  # half of a character
        return text.encode("utf-8", "replace").decode()


def names_file(given: str) -> bool:
    """Return whether an argument is the name of a file, existing or not, and not a record.

    The name of one that does not exist has an ending (``gone.csv``), begins at a folder that does
    (``data/gone``), or says where it begins (``/gone``, ``./gone``, ``~/gone``); ``and/or`` is a
    record. What is too long for a name is a record, as no system has files of such names.
    """
    if given == STANDARD_INPUT:
        return True
    path = given.partition("#")[0]
    if any(len(part.encode(errors="surrogatepass")) > LONGEST_NAME for part in path.split("/")):
        return False
    if os.path.exists(path) or glob.glob(path, recursive=True):
        return True
    first, slash, _ = path.partition("/")
    begins = bool(slash) and (first in ("", ".", "..", "~") or os.path.isdir(first))
    has_ending = re.fullmatch(r"\S*\.[A-Za-z0-9]{2,8}", path) is not None
    return has_ending or (begins and re.search(r"\s", path) is None)
