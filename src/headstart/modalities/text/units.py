"""The words of a text as units of an explanation: their tokens, and the text without some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from headstart.modalities import Vocabulary
from headstart.modalities.text.scripts import pattern
from headstart.pages.evidence import TextEvidence, Word

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from headstart.batch import Batch
    from headstart.modalities.text.stored_tokenizer import StoredTokenizer

#: A letter of a script without spaces, a word with apostrophes and hyphens, or a sign.
_PIECE = r"<letter>|<run>(?:['\u2019-]<run>)*|\S<mark>*"


@dataclass(frozen=True)
class Reading:
    """A text as the encoder reads it.

    Attributes:
        batch: one row, ``input_ids`` and ``mask`` (1,T).
        spans: T spans of characters; empty ones for tokens without text.
        special: (T,) True for special tokens.
        end: number of characters that are read; the rest is beyond the encoder's length.
    """

    batch: Batch
    spans: list[tuple[int, int]]
    special: Tensor
    end: int


class Reads(Protocol):
    """The part of a processor of texts that is used here."""

    tokenizer: PreTrainedTokenizerFast | StoredTokenizer
    vocabulary: Vocabulary

    def encode(self, texts: list[str]) -> list[Any]:
        """Return the encoding of each text, special tokens included."""
        ...

    def collate_texts(self, texts: list[str], length: int) -> Batch:
        """Return ``input_ids`` and ``mask`` (B,T), cut at ``length`` tokens."""
        ...


class TextUnits:
    """The words of a text; a removed word leaves no gap.

    Args:
        length: most tokens that are read.
    """

    noun, tensor = "words", "input_ids"

    def __init__(self, processor: Reads, text: str, length: int) -> None:
        self._text, self._reading = text, read(processor, text, length)
        self._words = words(text, self._reading)
        self.count = len(self._words)
        self.batch = self._reading.batch
        # The blank token is the mask token, if the network was trained with one.
        known, ids = processor.vocabulary, self.batch["input_ids"]
        nothing = known.pad_id if known.mask_id is None else known.mask_id
        blank = torch.where(self._reading.special, ids, nothing)
        self.blank = {**self.batch, "input_ids": blank}
        notes: list[str] = []
        if self._reading.end < len(text):
            notes.append(
                f"Only the first {self._reading.end:,} of {len(text):,} characters were read: the "
                f"encoder takes {length} tokens."
            )
        self.notes: Sequence[str] = notes

    def without(self, dropped: Sequence[set[int]]) -> Batch:
        """Return a row for each set of words: the text without them."""
        gone = [{p for unit in units for p in self._words[unit].positions} for units in dropped]
        return without(self.batch, gone)

    def contents(self, dropped: Sequence[set[int]]) -> list[str]:
        """Return the text without each set of words."""
        return [self._text_without(units) for units in dropped]

    def _text_without(self, units: set[int]) -> str:
        pieces, end = [], 0
        for word in (self._words[unit] for unit in sorted(units)):
            pieces.append(self._text[end : word.start])
            end = max(end, word.end)
        return "".join([*pieces, self._text[end:]])

    def positions(self, weights: Tensor) -> Tensor:
        """Divide the weight of each word evenly among its tokens (T,)."""
        found = torch.zeros(self.batch["input_ids"].shape[1])
        for word, weight in zip(self._words, weights.tolist(), strict=True):
            found[list(word.positions)] = weight / len(word.positions)
        return found

    def evidence(self, weights: Tensor, label: str, *, signed: bool) -> TextEvidence:
        """Give each word the sum of its tokens' ``weights`` (T,)."""
        sums = [float(weights[list(word.positions)].sum()) for word in self._words]
        return TextEvidence(self._text, self._words, sums, self._reading.end, label, signed)


def read(processor: Reads, text: str, length: int) -> Reading:
    """Read a text as ``processor.collate_texts`` does, with the spans of its tokens."""
    encoding = processor.encode([text])[0]
    indices = list(range(len(encoding.ids)))
    if len(indices) > length:
        suffix = processor.vocabulary.suffix
        indices = indices[: length - suffix] + indices[len(indices) - suffix :]
    spans = [_stripped(text, *encoding.offsets[index]) for index in indices]
    special = torch.tensor([bool(encoding.special_tokens_mask[index]) for index in indices])
    batch = processor.collate_texts([text], length)
    whole = len(indices) == len(encoding.ids)
    end = len(text) if whole else max((end for _, end in spans), default=0)
    if not indices:
        spans, special = [(0, 0)] * batch["mask"].shape[1], batch["mask"][0].logical_not()
    return Reading(batch, spans, special, end)


def words(text: str, reading: Reading) -> list[Word]:
    """Return the words of a text in order.

    Tokens of one word are merged, and so are words that share a token. Each punctuation mark is a
    word, and so is each letter of a script without spaces.
    """
    piece_of = [-1] * len(text)
    for number, match in enumerate(pattern(_PIECE).finditer(text)):
        piece_of[match.start() : match.end()] = [number] * (match.end() - match.start())
    found: list[Word] = []
    last = -1
    for position, (start, end) in enumerate(reading.spans):
        if start >= end or bool(reading.special[position]):
            continue
        if found and piece_of[start] <= last:
            word = found[-1]
            found[-1] = Word(word.start, max(word.end, end), (*word.positions, position))
        else:
            found.append(Word(start, end, (position,)))
        last = max(last, piece_of[end - 1])
    return found


def without(batch: Batch, dropped: list[set[int]]) -> Batch:
    """Return one row (n,T) for each set of positions: the text without them.

    The remaining tokens leave no gap.
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
    """Return a span without the spaces around it, which some tokenizers include."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
