"""The items of a history as units of an explanation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch
from torch import Tensor

from headstart.modalities.processor import Vocabulary
from headstart.pages.evidence import TextEvidence, Word

if TYPE_CHECKING:
    from headstart.batch import Batch

T = TypeVar("T")

#: Between the titles of items.
_BETWEEN = " · "


class Reads(Protocol):
    """The part of a processor of items that is used here."""

    vocabulary: Vocabulary

    def title_of(self, name: str) -> str:
        """Return the title of an item, or its id."""
        ...

    def read(
        self, histories: Sequence[Sequence[str]], times: Sequence[Sequence[float]] | None
    ) -> Batch:
        """Turn histories into a batch, the items by name."""
        ...


class ItemUnits:
    """The items of a history; a removed one leaves no gap.

    Args:
        times: when each was, where that is known.
        length: items that are read, the latest ones.
    """

    noun, tensor = "items", "input_ids"

    def __init__(
        self, processor: Reads, items: Sequence[str], times: Sequence[float] | None, length: int
    ) -> None:
        self._processor, self._items = processor, list(items)[-length:]
        self._times = None if times is None else list(times)[-length:]
        self.count = len(self._items)
        self.batch = self.without([set()])
        hidden = processor.vocabulary.mask_id
        blank = torch.full_like(self.batch["input_ids"], 0 if hidden is None else hidden)
        self.blank = {**self.batch, "input_ids": blank}
        self.notes: Sequence[str] = []
        if len(items) > length:
            self.notes = [f"Only the latest {length:,} of {len(items):,} items were read."]

    def without(self, dropped: Sequence[set[int]]) -> Batch:
        """Return a row for each set of items: the history without them."""
        times = None if self._times is None else _without(self._times, dropped)
        return self._processor.read(self.contents(dropped), times)

    def contents(self, dropped: Sequence[set[int]]) -> list[list[str]]:
        """Return the items without each set."""
        return _without(self._items, dropped)

    def positions(self, weights: Tensor) -> Tensor:
        """Return the weights as they are: an item is one position."""
        return weights

    def evidence(self, weights: Tensor, label: str, *, signed: bool) -> TextEvidence:
        """Give each item its weight."""
        titles = [self._processor.title_of(item) for item in self._items]
        words, start = [], 0
        for position, title in enumerate(titles):
            words.append(Word(start, start + len(title), (position,)))
            start += len(title) + len(_BETWEEN)
        text = _BETWEEN.join(titles)
        return TextEvidence(text, words, weights[: self.count].tolist(), len(text), label, signed)


def _without(values: Sequence[T], dropped: Sequence[set[int]]) -> list[list[T]]:
    return [[one for at, one in enumerate(values) if at not in gone] for gone in dropped]
