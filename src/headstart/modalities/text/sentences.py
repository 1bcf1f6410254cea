"""Sentence segmentation, by rules for scripts with and without spaces between words.

The rules favour precision: sentences that stay joined do not harm a pretext task, while a boundary
inside a sentence would.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from headstart.modalities.text.scripts import pattern

#: Words whose full stop does not end a sentence (followed by a name or a number).
_ABBREVIATIONS = {
    *("mr", "mrs", "ms", "dr", "prof", "rev", "gen", "col", "capt", "lt", "sgt", "gov", "sen"),
    *("rep", "hon", "st", "mt", "ft", "jr", "sr", "vs", "no", "nos", "vol", "pp", "fig", "figs"),
    *("eq", "sec", "ch", "ed", "eds", "dept", "univ", "inc", "ltd", "co", "corp", "bros", "e.g"),
    *("jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "i.e"),
    *("mon", "tue", "wed", "thu", "fri", "sat", "sun", "approx", "est", "cf", "al", "viz", "ca"),
}
_CLOSING = "\"'\\)\\]}\u2019\u201d\u300d\u300f\uff09\u300b\u3011"
_OPENING = "\"'\\(\\[{\u2018\u201c\u300c\u300e\uff08\u300a\u3010"
#: A stop with what closes behind it; blank lines and HTML breaks end a sentence too.
_STOP = (
    rf"(?P<wide>(?:<stop>|\u2026\u2026)+)(?P<shut>[{_CLOSING}]*)\s*"
    rf"|(?P<narrow>[.!?\u2026]+)(?P<closed>[{_CLOSING}]*)(?:\s+|(?=<han>))"
    r"|(?:\s*<br\s*/?>\s*){2,}|[^\S\n]*\n\s*\n\s*"
)
_BLANK_LINE = re.compile(r"\n\s*\n")
_LAST_WORD = r"(?:[\w.]|<mark>)+$"
_INITIAL = r"(?:[^\W\d_]<mark>*\.)*[^\W\d_]<mark>*"


def sentence_starts(text: str) -> list[int]:
    """Return the positions in ``text`` at which its sentences begin, in order.

    English and other spaced scripts: after ``.``, ``!``, ``?`` and a blank, unless the next word
    is in lower case, or the word before is an initial or an abbreviation. Others: right after a
    stop that is nothing else (Chinese 。, Hindi ।) and what closes a quotation, unless the sentence
    continues after it.

    >>> sentence_starts("Mr. Smith came. He sat.")
    [0, 16]
    """
    begin = len(text) - len(text.lstrip())
    starts = [begin] if begin < len(text) else []
    for stop in pattern(_STOP).finditer(text, begin):
        index = stop.end()
        if starts[-1] < index < len(text) and _ends(text, starts[-1], stop):
            starts.append(index)
    return starts


def split_sentences(text: str) -> list[str]:
    """Return the sentences of ``text``, without the blanks around them."""
    indices = [*sentence_starts(text), len(text)]
    return [text[one:other].strip() for one, other in pairwise(indices)]


def _ends(text: str, begin: int, stop: re.Match[str]) -> bool:
    following = text[stop.end()]
    if stop["wide"]:
        # "...!" he said: after a quotation the sentence may continue.
        return not (stop["shut"] and following in "\uff0c\uff1b\u3001\uff1a,;")
    if stop["narrow"] is None or _BLANK_LINE.search(stop[0]):
        return True
    following = text[stop.end() :].lstrip(_OPENING.replace("\\", ""))[:1] or following
    if following.islower():
        return stop["narrow"][-1] in "!?" and not stop["closed"]
    if stop["narrow"] != ".":
        return True
    word = pattern(_LAST_WORD).search(text, begin, stop.start())
    if word is None:
        return True
    if word[0].lower() in _ABBREVIATIONS:
        # "No." ends a sentence by itself; before a number it counts.
        return word[0].lower() in ("no", "nos") and not following.isdigit()
    return not pattern(_INITIAL).fullmatch(word[0]) or word[0] == "I"


def sentence_flags(text: str, offsets: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return flags (L,): True where a token holds the first character of a sentence.

    Args:
        text: the text as the tokenizer saw it.
        offsets: for each token the characters it came from; special tokens have none.

    The special token that closes a text is flagged too: there, a sentence is over.
    """
    begins = np.zeros(len(text) + 1, dtype=bool)
    begins[sentence_starts(text)] = True
    spans = np.asarray(offsets, dtype=np.int64).reshape(-1, 2)
    count = np.concatenate([[0], np.cumsum(begins)])
    first, last = spans[:, 0], np.minimum(spans[:, 1], len(text))
    flags = count[last] > count[np.minimum(first, last)]
    # A character may be several tokens long, as in byte-level BPE: the first of them starts.
    flags[1:] &= ~(flags[:-1] & (first[1:] == first[:-1]) & (last[1:] > first[1:]))
    real = np.flatnonzero(spans[:, 1] > spans[:, 0])
    if len(real) and real[-1] + 1 < len(spans):
        flags[real[-1] + 1] = True
    return flags
