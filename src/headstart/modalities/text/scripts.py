"""Words by Unicode properties: scripts without spaces, marks, joiners.

Where a script puts spaces between words (Latin, Devanagari, Hangul, ...) a word is a run of letters
and digits. Finding the words of other scripts (Chinese, Japanese, Thai, ...) takes a dictionary for
each: here every letter of theirs counts as a word. In both, combining marks (accents, vowel signs,
tones) and joiners belong to the letter before them (Unicode Standard Annex 29, rule WB4).

Sets of characters are written as properties for the package ``regex`` and become ranges for ``re``,
which reads these several times as fast.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache

import regex

#: Scripts that put no space between words.
UNSPACED = ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")
#: Letters, and characters that extend the previous letter.
LETTERS, MARKS = r"\p{L}\p{Nl}", r"\p{M}\p{Join_Control}"
#: Signs that always end a sentence, as 。 and ।; those like . ! ? do not everywhere.
STOPS = r"[\p{Sentence_Terminal}&&[\x00-\uffff]]--[\x00-\x7f\u2000-\u206f\ufe52\uff0e]"
#: Words, as a form of :func:`pattern`: what TF-IDF, ROUGE, taggers and explanations build on.
WORD = "<letter>|<run>"
#: First characters of a text, from which its script and language are detected.
SAMPLE_LENGTH = 500
#: Planes 0 to 3, and the variation selectors: all others are neither letters nor marks.
_POINTS = (*range(0x40000), *range(0xE0100, 0xE01F0))


@cache
def ranges(properties: str) -> tuple[tuple[int, int], ...]:
    """Return the ranges of code points, first and last, that have Unicode properties.

    Args:
        properties: the inside of a set of ``regex``, such as ``\\p{L}--\\p{Thai}``.
    """
    found = regex.finditer(rf"(?V1)[{properties}]+", "".join(map(chr, _POINTS)))
    return tuple((_POINTS[run.start()], _POINTS[run.end() - 1]) for run in found)


def characters(properties: str) -> str:
    """Return the characters that have properties, as the inside of a set of ``re``.

    Args:
        properties: as of :func:`ranges`.
    """
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges(properties))


def unspaced(kinds: str = LETTERS, scripts: Iterable[str] = UNSPACED) -> str:
    """Return the properties of characters of scripts without spaces that are of some kinds."""
    # Script extensions, for the sign ー is of both kana; but accents of Latin serve others too.
    extended = "".join(rf"\p{{scx={name}}}" for name in scripts)
    return rf"[[{extended}]--\p{{scx=Latin}}]&&[{kinds}]"


@cache
def pattern(form: str) -> re.Pattern[str]:
    """Compile an expression with names for the parts of a text.

    ``<letter>`` is a letter of a script without spaces with its marks and all that is stacked
    below it, ``<run>`` a run of letters and digits of other scripts with theirs, ``<mark>`` a mark,
    ``<han>`` a Chinese character, ``<stop>`` one of :data:`STOPS`.

    >>> pattern("<letter>|<run>").findall("हिन्दी, 中文")
    ['हिन्दी', '中', '文']
    """
    dense, stackers = characters(unspaced()), characters(r"\p{InSC=Invisible_Stacker}")
    # `re` looks up the first 65,536 characters in a table, but walks over the ranges of others.
    near, far = characters(rf"[{MARKS}]&&[\x00-\uffff]"), characters(rf"[{MARKS}]--[\x00-\uffff]")
    mark = rf"(?:[{near}]|(?=[\U00010000-\U0010ffff])[{far}])"
    parts = {
        # No group is possessive: before Python 3.11.5 such ones lose what they have matched.
        "letter": rf"[{dense}]{mark}*(?:(?<=[{stackers}])[{dense}]{mark}*)*",
        "run": rf"[^\W_{dense}]++(?:{mark}+[^\W_{dense}]*+)*",
        "mark": mark,
        "han": f"[{characters(unspaced(scripts=['Han']))}]",
        "stop": f"[{characters(STOPS)}]",
    }
    for name, part in parts.items():
        form = form.replace(f"<{name}>", part)
    return re.compile(form)


def is_unspaced(texts: Iterable[str]) -> bool:
    """Return whether more than a fifth of the first characters are of scripts without spaces."""
    return _share(texts, UNSPACED) > 0.2


def is_chinese(texts: Iterable[str]) -> bool:
    """Return whether over a fifth of the first characters are Han, and hardly any are kana."""
    some = list(texts)
    return _share(some, ["Han"]) > max(0.2, 10 * _share(some, ["Hiragana", "Katakana"]))


def stands_close(character: str) -> bool:
    """Return whether a character takes no spaces: it is of a script without any, or wide."""
    any_of_them = unspaced(r"\p{Any}")
    close = characters(rf"[{any_of_them}]\p{{East_Asian_Width=Fullwidth}}")
    return re.match(f"[{close}]", character) is not None


def composed(text: str) -> str:
    """Return a text in which a letter and its accent are one character where there is one (NFC)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """Return a text in lower case and composed; accents and marks stay, and so does ß.

    The rules are those of Unicode for all languages: the Turkish I becomes i, and İ becomes i with
    a dot above.
    """
    return composed(text.lower())


def letters(text: str) -> list[str]:
    """Return the characters that a reader sees: each with its marks (grapheme clusters).

    >>> len(letters("हिन्दी"))
    2
    """
    return list(text) if text.isascii() else regex.findall(r"\X", text)


def _share(texts: Iterable[str], scripts: Iterable[str]) -> float:
    joined = "".join(text[:SAMPLE_LENGTH] for text in texts)
    if joined.isascii():
        return 0.0
    found = re.findall(f"[{characters(unspaced(LETTERS + MARKS, scripts))}]+", joined)
    return sum(map(len, found)) / len(joined)


def have_spaces(pieces: Sequence[str]) -> bool:
    """Return whether nothing stands between pieces of a text.

    Some begin with a space, which is theirs, or none needs one.
    """
    return any(piece[:1].isspace() for piece in pieces) or is_unspaced(["".join(pieces)])
