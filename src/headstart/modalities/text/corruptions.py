"""Realistic corruptions of texts: typos, capitals, stray spaces."""

from __future__ import annotations

import string

import numpy as np

#: Share of the letters that are changed.
_RATES = {1: 0.02, 2: 0.05, 3: 0.1}


def typos(text: str, severity: int, rng: np.random.Generator) -> str:
    """Swap letters with the next, drop letters, and insert letters, a third each."""
    letters = list(text)
    for index in np.flatnonzero(rng.random(len(letters)) < _RATES[severity]):
        slip = rng.integers(3)
        if not letters[index].isalnum():
            continue
        if slip == 0 and index + 1 < len(letters):
            letters[index], letters[index + 1] = letters[index + 1], letters[index]
        elif slip == 1:
            letters[index] = ""
        else:
            letters[index] += string.ascii_lowercase[rng.integers(26)]
    return "".join(letters) or text


def case(text: str, severity: int, rng: np.random.Generator) -> str:
    """Write in lower case (1), in upper case (2), or in either at random (3)."""
    if severity < 3:
        return text.lower() if severity == 1 else text.upper()
    upper = rng.random(len(text)) < 0.5
    return "".join(c.upper() if up else c.lower() for c, up in zip(text, upper, strict=True))


def whitespace(text: str, severity: int, rng: np.random.Generator) -> str:
    """Insert spaces into words, and drop or double those between them."""
    draws = rng.random(len(text))
    rate = _RATES[severity]
    found = []
    for letter, draw in zip(text, draws, strict=True):
        if letter.isspace():  # they are few, so each is changed more often
            found.append("" if draw < rate else "  " if draw < 3 * rate else letter)
        else:
            found.append(letter + (" " if draw < rate / 2 else ""))
    return "".join(found) or text


CORRUPTIONS = {"typos": typos, "case": case, "whitespace": whitespace}
