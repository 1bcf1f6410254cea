"""The files of several rounds of labeling: what names them all, and what the next one is called."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path


def together(files: Sequence[str]) -> str | None:
    """Return the one source that names all of these files and no other; None where none does.

    Example::

        together(["to_label.csv", "to_label_2.csv"])  # "to_label*.csv"
    """
    if len(set(files)) == 1:
        return files[0]
    folders, names = {os.path.dirname(each) for each in files}, [*map(os.path.basename, files)]
    endings = {os.path.splitext(name)[1] for name in names}
    if len(folders) > 1 or len(endings) > 1:
        return None
    stems = [os.path.splitext(name)[0] for name in names]
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(min(stems), max(stems), strict=False))
    start = os.path.join(folders.pop(), "".join(letter for letter, _ in shared))
    pattern = f"{glob.escape(start)}*{endings.pop()}"
    return pattern if set(glob.glob(pattern)) == set(files) else None


def following(out: Path) -> Path:
    """Return the file of the next round: ``to_label_2.csv`` after ``to_label.csv``, then 3."""
    numbered = re.fullmatch(r"(.+)_(\d{1,6})", out.stem)
    stem, number = (numbered[1], int(numbered[2])) if numbered else (out.stem, 1)
    return out.with_stem(f"{stem}_{number + 1}")
