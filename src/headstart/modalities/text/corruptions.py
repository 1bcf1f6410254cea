"""Texts as people write them: with typos, in capitals, with stray spaces."""

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
    """Write in small letters (1), in capitals (2), or in either by chance (3)."""
    if severity < 3:
        return text.lower() if severity == 1 else text.upper()
    upper = rng.random(len(text)) < 0.5
    return "".join(c.upper() if up else c.lower() for c, up in zip(text, upper, strict=True))


def whitespace(text: str, severity: int, rng: np.random.Generator) -> str:
    """Put spaces into words, and lose or double those between them."""
    chance = rng.random(len(text))
    rate = _RATES[severity]
    found = []
    for letter, drawn in zip(text, chance, strict=True):
        if letter.isspace():  # there are few of them, so each is hit more often
            found.append("" if drawn < rate else "  " if drawn < 3 * rate else letter)
        else:
            found.append(letter + (" " if drawn < rate / 2 else ""))
    return "".join(found) or text


CORRUPTIONS = {"typos": typos, "case": case, "whitespace": whitespace}
