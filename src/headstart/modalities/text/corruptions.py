"""Realistic corruptions of texts: typos, capitals, stray spaces."""

from __future__ import annotations

import string

import numpy as np

from headstart.modalities.text import scripts

#: Share of the letters that are changed.
_RATES = {1: 0.02, 2: 0.05, 3: 0.1}
#: Last of the letters beside which a to z are inserted.
_LATIN = "\u024f"


def typos(text: str, severity: int, rng: np.random.Generator) -> str:
    """Swap letters with the next, drop letters, and insert letters, a third each.

    A letter moves with its marks. What is inserted is one of a to z, or beside a letter of another
    script one of the text.
    """
    letters = scripts.letters(text)
    others = [letter for letter in letters if letter > _LATIN and letter[0].isalpha()]
    for index in np.flatnonzero(rng.random(len(letters)) < _RATES[severity]):
        slip = rng.integers(3)
        if not letters[index][:1].isalnum():
            continue
        if slip == 0 and index + 1 < len(letters):
            letters[index], letters[index + 1] = letters[index + 1], letters[index]
        elif slip == 1:
            letters[index] = ""
        else:
            alphabet = others if letters[index] in others else string.ascii_lowercase
            letters[index] += alphabet[rng.integers(len(alphabet))]
    return "".join(letters) or text


def case(text: str, severity: int, rng: np.random.Generator) -> str:
    """Write in lower case (1), in upper case (2), or in either at random (3)."""
    if severity < 3:
        return text.lower() if severity == 1 else text.upper()
    upper = rng.random(len(text)) < 0.5
    return "".join(c.upper() if up else c.lower() for c, up in zip(text, upper, strict=True))


def whitespace(text: str, severity: int, rng: np.random.Generator) -> str:
    """Insert spaces into words, and drop or double those between them."""
    letters = scripts.letters(text)
    draws = rng.random(len(letters))
    rate = _RATES[severity]
    found = []
    for letter, draw in zip(letters, draws, strict=True):
        if letter.isspace():  # they are few, so each is changed more often
            found.append("" if draw < rate else "  " if draw < 3 * rate else letter)
        else:
            found.append(letter + (" " if draw < rate / 2 else ""))
    return "".join(found) or text


CORRUPTIONS = {"typos": typos, "case": case, "whitespace": whitespace}
