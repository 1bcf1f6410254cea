"""What pairs of texts show of whether they are right: copies, and languages that are exchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.data.columns import LABEL
from headstart.modalities.text import languages
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.exact import normalise

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.audit import Audit

EXCHANGED = "its two texts are each in the language of the other column"

#: Pairs from which it is told whether any are exchanged, share of them from which all are checked,
#: and pairs that are checked at once.
_SAMPLE, _SOME, _BATCH = 1000, 0.005, 1000


def checked(records: Dataset, source: str, target: str, where: str, audit: Audit) -> Dataset:
    """Return pairs without those that are exchanged; a note counts those of one text twice.

    Languages are looked at where both columns are named like languages, and the extra ``audit`` is
    installed.

    Args:
        records: with ``text`` and ``label``.
        source, target: names of the two columns in the file ``where``.
    """
    texts, labels = list(records[TEXT.columns[0]]), list(records[LABEL.name])
    copies = sum(normalise(a) == normalise(b) for a, b in zip(texts, labels, strict=True))
    if copies:
        audit.notes.append(
            f"{where}: {copies:,} of {len(texts):,} pairs have the same text on both sides; check "
            "the columns if these are many."
        )
    codes = source[:2].lower(), target[:2].lower()
    if codes[0] == codes[1] or not languages.available() or not _known(source, target):
        return records
    every = np.arange(len(texts))
    some = every[:: max(1, len(every) // _SAMPLE)]
    if len(_exchanged(texts, labels, some, codes)) <= _SOME * len(some):
        return records
    wrong = _exchanged(texts, labels, every, codes)
    names = records["id"]
    for index in wrong:
        audit.drop(names[index], EXCHANGED)
    return records.select(np.setdiff1d(every, wrong))


def _known(*columns: str) -> bool:
    """Return whether all columns are named like languages: ``de``, ``pt_BR``."""
    return all(len(name) == 2 or name[2:3] in ("-", "_") for name in columns)


def _exchanged(
    texts: list[str], labels: list[str], indices: np.ndarray, codes: tuple[str, str]
) -> list[int]:
    """Return which pairs have the languages ``codes`` in reverse order."""
    found: list[int] = []
    for start in range(0, len(indices), _BATCH):
        part = indices[start : start + _BATCH].tolist()
        sides = (languages.languages([side[n] for n in part]) for side in (texts, labels))
        found += [n for n, *both in zip(part, *sides, strict=True) if tuple(both) == codes[::-1]]
    return found
