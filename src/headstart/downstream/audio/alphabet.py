"""The symbols that a transcript is written with: its characters, or pieces of several."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

#: What is left of a transcript besides letters, marks, digits and spaces.
_APOSTROPHE = "'"
_APOSTROPHES = str.maketrans("\u2019\u2018\u02bc`\u00b4", _APOSTROPHE * 5)
#: Apostrophes that are within no word.
_LOOSE = re.compile(r"(?<!\w)'|'(?!\w)")


def folded(text: str) -> str:
    """Return a transcript as it is heard: lower case, without punctuation, one space at a time.

    >>> folded("  It's 5 o'clock - NOW!")
    "it's 5 o'clock now"
    """
    text = unicodedata.normalize("NFC", text).lower().translate(_APOSTROPHES)
    kept = (
        each if each == _APOSTROPHE or unicodedata.category(each)[0] in "LMN" else " "
        for each in text
    )
    return " ".join(_LOOSE.sub(" ", "".join(kept)).split())


class Alphabet:
    """Symbols as classes: class 0 is the blank of CTC, and class k is symbol k - 1.

    A text is divided greedily, the longest symbol first; where all single characters are symbols,
    nothing is left over.

    Args:
        symbols: without repetition, none empty.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = list(symbols)
        self._classes = {symbol: number for number, symbol in enumerate(self.symbols, start=1)}
        self._longest = max(map(len, self.symbols), default=1)

    def __len__(self) -> int:
        return len(self.symbols)

    @classmethod
    def of(cls, texts: Iterable[str], pieces: int = 0) -> Alphabet:
        """Return the characters of texts, and up to ``pieces`` symbols in all.

        Pieces are merged as in byte-pair encoding (Sennrich et al. 2016,
        https://arxiv.org/abs/1508.07909): the most frequent pair of neighbours within words first;
        a word begins with its space.
        """
        counts = Counter(texts)
        characters = sorted({each for text in counts for each in text})
        if len(characters) >= pieces:
            return cls(characters)
        words: Counter[str] = Counter()
        for text, count in counts.items():
            for number, word in enumerate(text.split(" ")):
                words[" " * (number > 0) + word] += count
        return cls([*characters, *_merged(words, pieces - len(characters))])

    def encode(self, text: str) -> list[int] | None:
        """Return the classes of a text; None where a character has no symbol."""
        found, at = [], 0
        while at < len(text):
            for size in range(min(self._longest, len(text) - at), 0, -1):
                known = self._classes.get(text[at : at + size])
                if known is not None:
                    found.append(known)
                    at += size
                    break
            else:
                return None
        return found

    def decode(self, classes: Iterable[int]) -> str:
        """Return the text of classes, without blanks."""
        return "".join(self.symbols[each - 1] for each in classes if each)

    def foreign(self, text: str) -> str:
        """Return the first character of a text that no symbol is; empty where there is none."""
        return next((each for each in text if each not in self._classes), "")


def _merged(words: Counter[str], count: int) -> list[str]:
    """Return up to ``count`` pieces of two characters or more, in the order of their merges."""
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import Split
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = Split("\n", "removed")
    singles = {each for word in words for each in word}
    trainer = BpeTrainer(
        vocab_size=len(singles) + count, min_frequency=2, show_progress=False, special_tokens=[]
    )
    tokenizer.train_from_iterator(words.elements(), trainer)
    vocabulary = tokenizer.get_vocab()
    found = sorted(vocabulary, key=lambda piece: vocabulary[piece])
    return [piece for piece in found if len(piece) > 1][:count]


def repeats(classes: Sequence[int]) -> int:
    """Return how many classes equal the one before, between which CTC needs a blank."""
    return sum(one == other for one, other in pairwise(classes))
