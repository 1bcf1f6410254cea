"""From tokens to words: where each token of a text lies in it, and which make a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from headstart.modalities.text.scripts import pattern

if TYPE_CHECKING:
    from headstart.batch import Batch

#: A letter of a script without spaces, a word with apostrophes and hyphens, or a sign.
_PIECE = r"<letter>|<run>(?:['\u2019-]<run>)*|\S<mark>*"


@dataclass(frozen=True)
class Reading:
    """A text as the encoder reads it.

    Attributes:
        batch: one row, ``input_ids`` and ``mask`` (1,T).
        spans: T spans of characters; empty ones for tokens that stand for none of the text.
        special: (T,) True for the tokens that stand around every text.
        end: characters that are read; what follows is beyond the encoder's length.
    """

    batch: Batch
    spans: list[tuple[int, int]]
    special: Tensor
    end: int


@dataclass(frozen=True)
class Word:
    """A word, or a phrase that is one token.

    Attributes:
        start, end: its characters in the text.
        positions: its tokens.
        weight: what it adds to the evidence for the class, or its share of the attention.
    """

    start: int
    end: int
    positions: tuple[int, ...]
    weight: float


def read(processor: Any, text: str, length: int) -> Reading:
    """Read a text as ``processor.collate_texts`` does, and keep where its tokens are from."""
    encoding = processor.encode([text])[0]
    indices = list(range(len(encoding.ids)))
    if len(indices) > length:
        indices = indices[: length - processor.suffix] + indices[len(indices) - processor.suffix :]
    spans = [_stripped(text, *encoding.offsets[index]) for index in indices]
    special = torch.tensor([bool(encoding.special_tokens_mask[index]) for index in indices])
    batch = processor.collate_texts([text], length)
    whole = len(indices) == len(encoding.ids)
    end = len(text) if whole else max((end for _, end in spans), default=0)
    if not indices:
        spans, special = [(0, 0)] * batch["mask"].shape[1], batch["mask"][0].logical_not()
    return Reading(batch, spans, special, end)


def words(text: str, reading: Reading, weights: Tensor) -> list[Word]:
    """Return the words of a text in order, each with the sum of its tokens' ``weights`` (T,).

    Tokens that share a word make one, and so do words that share a token. Punctuation stands by
    itself, and so does each letter of a script without spaces.
    """
    piece_of = [-1] * len(text)
    for number, match in enumerate(pattern(_PIECE).finditer(text)):
        piece_of[match.start() : match.end()] = [number] * (match.end() - match.start())
    found: list[Word] = []
    last = -1
    for position, (start, end) in enumerate(reading.spans):
        if start >= end or bool(reading.special[position]):
            continue
        weight = float(weights[position])
        if found and piece_of[start] <= last:
            word = found[-1]
            found[-1] = Word(
                word.start,
                max(word.end, end),
                (*word.positions, position),
                word.weight + weight,
            )
        else:
            found.append(Word(start, end, (position,), weight))
        last = max(last, piece_of[end - 1])
    return found


def without(batch: Batch, dropped: list[set[int]]) -> Batch:
    """Return one row (n,T) for each set of positions: the text without them.

    What is left moves together, as if the words had never been written.
    """
    ids = batch["input_ids"][0]
    kept = [[index for index in range(len(ids)) if index not in gone] for gone in dropped]
    longest = max(1, max(map(len, kept)))
    made = ids.new_zeros(len(kept), longest)
    mask = torch.zeros(len(kept), longest, dtype=torch.bool)
    for row, indices in enumerate(kept):
        made[row, : len(indices)] = ids[indices]
        mask[row, : len(indices)] = True
    return {"input_ids": made, "mask": mask}


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without the spaces around it; some tokenizers count them in."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


@dataclass(frozen=True)
class TextEvidence:
    """The words of a text with their weights; ``end`` is the first character that was not read."""

    text: str
    words: list[Word]
    end: int
    unit: ClassVar[str] = "words"

    def strongest(self, count: int, sign: int) -> list[Word]:
        """Return up to ``count`` words of one sign, the strongest first."""
        chosen = [word for word in self.words if word.weight * sign > 0]
        return sorted(chosen, key=lambda word: -abs(word.weight))[:count]

    def shown(self, word: Word) -> str:
        """Return the characters of a word."""
        return self.text[word.start : word.end]

    def summary(self) -> dict[str, Any]:
        """Return ``words``, each with its text, place and weight, and ``read``, what was read."""
        words = [
            {
                "text": self.shown(word),
                "start": word.start,
                "end": word.end,
                "weight": round(word.weight, 6),
            }
            for word in self.words
        ]
        return {"words": words, "read": self.end}
