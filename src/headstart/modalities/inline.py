"""Records that are typed in the shell instead of being named by a file."""

from __future__ import annotations

import glob
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Modality


def inline_records(modality: Modality, given: list[str]) -> Dataset | None:
    """Return what was given as records; None where one names a file, or none can be typed."""
    return None if any(map(names_file, given)) else modality.inline(given)


def names_file(given: str) -> bool:
    """True for the name of a file, be it there or not; False for what must be a record itself."""
    path = given.partition("#")[0]
    looks = re.fullmatch(r"\S*\.[A-Za-z0-9]{2,8}|\S*/\S*", path) is not None
    return looks or os.path.exists(path) or bool(glob.glob(path, recursive=True))
