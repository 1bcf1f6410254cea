"""The quality rules of Gopher and C4 for web text, each by name, with their published numbers.

Gopher: Rae et al. 2021, "Scaling Language Models: Methods, Analysis & Insights from Training
Gopher", appendix A1.1. C4: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a
Unified Text-to-Text Transformer", section 2.2. Rules that remove single lines of a page do not edit
records here: a record fails one when no line of it passes. C4's list of bad words is left out, and
its repeated spans of three sentences (the audit finds near duplicates instead).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headstart.data.store import stream
from headstart.modalities.text import languages
from headstart.modalities.text.languages import UNKNOWN
from headstart.modalities.text.options import QualityNumbers, TextOptions
from headstart.modalities.text.scripts import is_unspaced, pattern

if TYPE_CHECKING:
    from datasets import Dataset


_BATCH = 1000

#: Gopher requires two different ones of these.
STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
#: C4 drops lines with these, boilerplate about cookies and policies.
POLICIES = (
    *("terms of use", "privacy policy", "cookie policy"),
    *("uses cookies", "use of cookies", "use cookies"),
)
#: Gopher's table A1: largest share of the letters in n-grams of words: in the most frequent one (n
#: of 2 to 4), and in all that repeat earlier ones (n of 5 to 10).
TOP_PHRASE = {2: 0.20, 3: 0.18, 4: 0.16}
REPEATED_PHRASES = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}

_BULLET = re.compile(r"[•‣▪◦●·]|[-*]\s")
_ELLIPSES = ("...", "…")
#: Closing quotation marks; then what may end a line, and what ends a sentence.
_QUOTES = "\u201d\u2019\u300d\u300f"
_CLOSE = rf"[.!?\"'{_QUOTES}]|<stop>"
_SENTENCE = rf"[.!?]+[\"')]*[{_QUOTES}]*(?=\s|$)|<stop>+"
_PARAGRAPHS = re.compile(r"\n\s*\n")


class Page:
    """A text with the properties that rules use, computed once and on demand.

    Args:
        text: the record.
        language: its ISO 639-1 code, None where it was not detected.
    """

    def __init__(self, text: str, language: str | None = None) -> None:
        self.text, self.language = text, language

    @cached_property
    def spaced(self) -> bool:
        """Whether words are separated by spaces."""
        return not is_unspaced([self.text])

    @cached_property
    def words(self) -> list[str]:
        """The parts between spaces."""
        return self.text.split()

    @cached_property
    def lines(self) -> list[str]:
        """The lines that are not blank, without spaces around them."""
        return [line for line in map(str.strip, self.text.split("\n")) if line]

    @cached_property
    def sentences(self) -> int:
        """Approximate number of sentences."""
        return max(1, len(pattern(_SENTENCE).findall(self.text)))


class Rule(NamedTuple):
    """One rule.

    Attributes:
        reason: why a record fails it, for messages.
        passes: returns whether a page passes it.
        applies: returns whether it applies to a page; others pass it.
    """

    reason: str
    passes: Callable[[Page, QualityNumbers], bool]
    applies: Callable[[Page], bool] = lambda page: True


@dataclass(frozen=True)
class Verdicts:
    """How many of ``total`` records fail each rule, and to how many it does not apply."""

    total: int
    failed: dict[str, int]
    inapplicable: dict[str, int]


def first_failed(page: Page, rules: Sequence[str], numbers: QualityNumbers) -> str | None:
    """Return the name of the first rule that a page fails, None where it passes all."""
    for name in rules:
        rule = RULES[name]
        if rule.applies(page) and not rule.passes(page, numbers):
            return name
    return None


def count(pages: Sequence[Page], rules: Sequence[str], numbers: QualityNumbers) -> Verdicts:
    """Apply every rule to every page."""
    failed, inapplicable = dict.fromkeys(rules, 0), dict.fromkeys(rules, 0)
    for page in pages:
        for name in rules:
            rule = RULES[name]
            if not rule.applies(page):
                inapplicable[name] += 1
            elif not rule.passes(page, numbers):
                failed[name] += 1
    return Verdicts(len(pages), failed, inapplicable)


def _spaced(page: Page) -> bool:
    return page.spaced


def _english(page: Page) -> bool:
    return page.spaced and page.language in (None, "en", UNKNOWN)


def _share(marked: Iterable[bool], of: int) -> float:
    return sum(marked) / max(1, of)


def _words(page: Page, numbers: QualityNumbers) -> bool:
    return numbers.min_words <= len(page.words) <= numbers.max_words


def _word_length(page: Page, numbers: QualityNumbers) -> bool:
    mean = sum(map(len, page.words)) / max(1, len(page.words))
    return numbers.min_word_length <= mean <= numbers.max_word_length


def _symbols(page: Page, numbers: QualityNumbers) -> bool:
    most = numbers.symbols * len(page.words)
    dots = sum(map(page.text.count, _ELLIPSES))
    return page.text.count("#") <= most and dots <= most


def _bullets(page: Page, numbers: QualityNumbers) -> bool:
    return (
        _share((bool(_BULLET.match(line)) for line in page.lines), len(page.lines))
        <= numbers.bullets
    )


def _ellipses(page: Page, numbers: QualityNumbers) -> bool:
    return (
        _share((line.endswith(_ELLIPSES) for line in page.lines), len(page.lines))
        <= numbers.ellipses
    )


def _alphabetic(page: Page, numbers: QualityNumbers) -> bool:
    return (
        _share((any(map(str.isalpha, word)) for word in page.words), len(page.words))
        >= numbers.alphabetic
    )


def _stop_words(page: Page, numbers: QualityNumbers) -> bool:
    words = {word.strip(".,;:!?\"'()").lower() for word in page.words}
    return len(words & STOP_WORDS) >= numbers.stop_words


def _repeated_lines(page: Page, numbers: QualityNumbers) -> bool:
    paragraphs = [part.strip() for part in _PARAGRAPHS.split(page.text) if part.strip()]
    for parts in (page.lines, paragraphs):
        repeated = sum(map(len, parts)) - sum(map(len, set(parts)))
        if len(parts) - len(set(parts)) > numbers.repeated_lines * len(
            parts
        ) or repeated > numbers.repeated_characters * sum(map(len, parts)):
            return False
    return True


def _repeated_phrases(page: Page, numbers: QualityNumbers) -> bool:
    """Compare letters in repeated phrases; a phrase that occurs once does not count."""
    if len(page.words) < 3:
        return True
    _, words = np.unique(np.array(page.words, dtype=object), return_inverse=True)
    lengths = np.fromiter(map(len, page.words), np.int64, len(page.words))
    total = np.concatenate([[0], np.cumsum(lengths)])
    keys = words.astype(np.uint64)
    for size in range(2, max(REPEATED_PHRASES) + 1):
        if len(words) <= size:
            break
        keys = keys[:-1] * np.uint64(0x9E3779B97F4A7C15) + words[size - 1 :].astype(np.uint64)
        _, first, times = np.unique(keys, return_index=True, return_counts=True)
        if times.max() == 1:
            break  # longer ones do not repeat either
        if size in TOP_PHRASE:
            taken = (times * (total[first + size] - total[first]))[times > 1]
            if taken.max() > TOP_PHRASE[size] * total[-1]:
                return False
        else:
            later = np.ones(len(keys), dtype=bool)
            later[first] = False
            covered = np.convolve(later, np.ones(size, dtype=int)) > 0
            if lengths[covered].sum() > REPEATED_PHRASES[size] * total[-1]:
                return False
    return True


def _punctuation(page: Page, numbers: QualityNumbers) -> bool:
    closes = pattern(_CLOSE).match
    return any(closes(line[-1]) and not line.endswith(_ELLIPSES) for line in page.lines)


def _sentences(page: Page, numbers: QualityNumbers) -> bool:
    return page.sentences >= numbers.sentences


def _line_words(page: Page, numbers: QualityNumbers) -> bool:
    return any(len(line.split()) >= numbers.line_words for line in page.lines)


def _javascript(page: Page, numbers: QualityNumbers) -> bool:
    return not page.lines or any("javascript" not in line.lower() for line in page.lines)


def _policies(page: Page, numbers: QualityNumbers) -> bool:
    return not page.lines or any(
        not any(policy in line.lower() for policy in POLICIES) for line in page.lines
    )


def _lorem_ipsum(page: Page, numbers: QualityNumbers) -> bool:
    return "lorem ipsum" not in page.text.lower()


def _brackets(page: Page, numbers: QualityNumbers) -> bool:
    return "{" not in page.text


RULES: dict[str, Rule] = {
    "gopher.words": Rule("it has too few or too many words", _words, _spaced),
    "gopher.word_length": Rule("its words are too short or too long", _word_length, _spaced),
    "gopher.symbols": Rule("it has too many hashes or ellipses for its words", _symbols, _spaced),
    "gopher.bullets": Rule("nearly all its lines begin with a bullet", _bullets),
    "gopher.ellipses": Rule("too many of its lines end with an ellipsis", _ellipses),
    "gopher.alphabetic": Rule("too few of its words have a letter", _alphabetic, _spaced),
    "gopher.stop_words": Rule("it has hardly any English stop word", _stop_words, _english),
    "gopher.repeated_lines": Rule("it repeats lines or paragraphs", _repeated_lines),
    "gopher.repeated_phrases": Rule("it repeats phrases", _repeated_phrases, _spaced),
    "c4.punctuation": Rule("no line of it ends with a closing mark", _punctuation),
    "c4.line_words": Rule("no line of it has enough words", _line_words, _spaced),
    "c4.sentences": Rule("it has too few sentences", _sentences),
    "c4.javascript": Rule("each line of it speaks of JavaScript", _javascript),
    "c4.policies": Rule("each line of it speaks of cookies or policies", _policies),
    "c4.lorem_ipsum": Rule("it holds the filler text lorem ipsum", _lorem_ipsum),
    "c4.brackets": Rule("it holds a curly bracket, as code does", _brackets),
}


def failing(records: Dataset, rules: Sequence[str], options: TextOptions) -> dict[int, str]:
    """Return the first rule that each bad record fails, by its index."""
    found: dict[int, str] = {}
    detect = "gopher.stop_words" in rules and languages.available()
    texts = stream(records, "text")
    start = 0
    while batch := list(islice(texts, _BATCH)):
        detected = languages.languages(batch) if detect else [None] * len(batch)
        for index, (text, code) in enumerate(zip(batch, detected, strict=True), start):
            failed = first_failed(Page(text, code), rules, options.quality_numbers)
            if failed:
                found[index] = failed
        start += len(batch)
    return found
