"""Records that are typed on the command line instead of in a file."""

from __future__ import annotations

import glob
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Modality

#: Most bytes in the name of a file or folder, on all common file systems.
LONGEST_NAME = 255


def inline_records(modality: Modality, given: list[str]) -> Dataset | None:
    """Return the arguments as records; None if one names a file, or this kind cannot be typed."""
    return None if any(map(names_file, given)) else modality.inline(given)


def names_file(given: str) -> bool:
    """Return whether an argument is the name of a file, existing or not, and not a record.

    What is too long for a name is a record, as no system has files of such names.
    """
    path = given.partition("#")[0]
    if any(len(part.encode(errors="surrogatepass")) > LONGEST_NAME for part in path.split("/")):
        return False
    is_path = re.fullmatch(r"\S*\.[A-Za-z0-9]{2,8}|\S*/\S*", path) is not None
    return is_path or os.path.exists(path) or bool(glob.glob(path, recursive=True))
