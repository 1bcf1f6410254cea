"""Schemes of tags for entities: recognised in the tags of a whole file, and read as IOB2.

IO, IOB1 and IOB2 are described by Tjong Kim Sang and Veenstra 1999
(https://aclanthology.org/E99-1023), BILOU by Ratinov and Roth 2009; BIOES, BMES and BMEWO write
other letters for the same positions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

OUTSIDE = "O"
#: Name of entities whose tags are letters alone.
UNNAMED = "ENTITY"

_BEGINS, _CLOSES = "BSUW", "ESLUW"
_TAG = re.compile(r"([BIESLUWM])[-_](.+)", re.IGNORECASE)
_LETTER = re.compile(r"[BIESLUWM]", re.IGNORECASE)
#: Letters of the first, an inner and the last word of an entity, and of one of a single word.
_SCHEMES = {
    "IOB2": "BIIB",
    "BIOES": "BIES",
    "BILOU": "BILU",
    "BMES": "BMES",
    "BMEWO": "BMEW",
}


def read_tags(
    rows: Sequence[Sequence[str]], where: str, *, chunked: bool | None = None
) -> tuple[list[list[str]], list[str]]:
    """Return the tags of all records of a file as IOB2, and a sentence where they were not.

    ``B-X`` begins an entity, and so does any tag that continues none. That reads every scheme, and
    also records that break the scheme of their file, as the script of CoNLL does. Tags without
    letters (``PER``, ``O``) are of the scheme IO if most words have ``O``. Other tags, such as
    parts of speech, stay as they are.

    Args:
        rows: the tags of each record.
        where: the file, for the sentence.
        chunked: whether tags without letters mark entities, where that is known.

    Example::

        read_tags([["I-PER", "I-PER", "O"]], "train.jsonl")[0]  # [["B-PER", "I-PER", "O"]]
    """
    given = [[tag.strip() for tag in row] for row in rows]
    parse = _parser(Counter(tag for row in given for tag in row), chunked)
    if parse is None:
        return given, []
    parts = [[parse(tag) for tag in row] for row in given]
    read = [_iob2(row) for row in parts]
    letters = {part[0] for row in parts for part in row if part}
    name, broken = _scheme(letters, parts, read)
    if name == "IOB2" and not broken and read == given:
        return read, []
    note = f"{where}: the tags are of the scheme {name}"
    note += " and were read as IOB2" * (name != "IOB2")
    if broken:
        note += (
            f"; {broken:,} of {len(rows):,} records break it: there an entity begins at B, and "
            "wherever a tag continues none"
        )
    return read, [f"{note}."]


def _parser(
    counts: Counter[str], chunked: bool | None
) -> Callable[[str], tuple[str, str] | None] | None:
    """Return what splits a tag into letter and name (None outside), or None for other tags."""
    entities = [tag for tag in counts if tag.upper() != OUTSIDE]
    outside = counts.total() - sum(counts[tag] for tag in entities)
    if not entities:
        return None
    if all(map(_TAG.fullmatch, entities)):

        def prefixed(tag: str) -> tuple[str, str] | None:
            found = _TAG.fullmatch(tag)
            return (found[1].upper(), found[2]) if found else None

        # Without O and B or I these are classes that begin with a letter.
        begun = any(tag[0].upper() in "BI" for tag in entities)
        return prefixed if begun or outside else None
    if all(map(_LETTER.fullmatch, entities)) and outside and {"B", "I"} & {*map(str.upper, counts)}:
        return lambda tag: None if tag.upper() == OUTSIDE else (tag.upper(), UNNAMED)
    if chunked or (chunked is None and 2 * outside > counts.total()):
        return lambda tag: None if tag == OUTSIDE else ("I", tag)
    return None


def _iob2(parts: Sequence[tuple[str, str] | None]) -> list[str]:
    """Write letters and names as IOB2."""
    tags, running = [], None
    for part in parts:
        if part is None:
            tags.append(OUTSIDE)
            running = None
            continue
        letter, name = part
        inside = running == name and letter not in _BEGINS
        tags.append(f"{'I' if inside else 'B'}-{name}")
        running = None if letter in _CLOSES else name
    return tags


def _scheme(
    letters: set[str],
    parts: Sequence[Sequence[tuple[str, str] | None]],
    read: Sequence[Sequence[str]],
) -> tuple[str, int]:
    """Return the scheme that most records are of, and how many are not."""
    found = {
        name: sum(
            [part[0] for part in row if part] != _letters(tags, name)
            for row, tags in zip(parts, read, strict=True)
        )
        for name in ("IO", "IOB1", *_SCHEMES)
        # IO is IOB1 in which no entities of one name are neighbours.
        if letters <= set("I" if name == "IO" else _SCHEMES.get(name, "BI"))
    }
    if not found:
        return f"with the letters {', '.join(sorted(letters))}", len(parts)
    name = min(found, key=lambda name: (found[name], name == "IOB1"))
    return name, found[name]


def _letters(tags: Sequence[str], scheme: str) -> list[str]:
    """Return the letters of IOB2 tags in another scheme, without those outside."""
    found = []
    for before, (tag, after) in zip([OUTSIDE, *tags], pairwise([*tags, OUTSIDE]), strict=False):
        if tag == OUTSIDE:
            continue
        begins, ends = tag[0] == "B", after[:1] != "I"
        if scheme == "IO":
            found.append("I")
        elif scheme == "IOB1":
            found.append("B" if begins and before[2:] == tag[2:] else "I")
        else:
            first, inner, last, single = iter(_SCHEMES[scheme])
            found.append((single if ends else first) if begins else (last if ends else inner))
    return found
