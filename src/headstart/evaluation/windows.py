"""Windows of texts in which a language model predicts tokens from those before them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from headstart.evaluation.ngram_baseline import Encoding

if TYPE_CHECKING:
    from headstart.batch import Batch

#: Predicted tokens beyond which windows are drawn: more move the figures less than their intervals.
MOST_TESTED = 500_000
#: Texts that are encoded at once.
_ENCODED = 256


class Sequences(Encoding, Protocol):
    """A processor that returns the offsets of tokens in a record."""

    def encode(self, values: list[str]) -> list[Any]:
        """Return ``ids`` and ``offsets`` of each whole value, with special tokens."""
        ...

    def pad(self, rows: list[list[int]]) -> Batch:
        """Return rows of ids as a batch."""
        ...


@dataclass(frozen=True)
class Window:
    """Tokens that are read at once; those from ``seen`` on are predicted.

    Attributes:
        text: index of the text.
        edges: where each predicted token begins in the text, and where the last one ends.
        written: UTF-8 bytes of the predicted tokens.
    """

    text: int
    ids: np.ndarray
    seen: int
    edges: np.ndarray
    written: int


def windows_of(
    processor: Sequences, texts: list[str], context: int, *, halves: bool
) -> Iterator[Window]:
    """Yield windows of at most ``context`` tokens, in which each token is predicted once.

    Those of a text overlap by half. With ``halves`` only the second half of a text is predicted.
    """
    encoded = chain.from_iterable(
        processor.encode(texts[start : start + _ENCODED])
        for start in range(0, len(texts), _ENCODED)
    )
    for number, (text, encoding) in enumerate(zip(texts, encoded, strict=True)):
        ids = np.array(encoding.ids, dtype=np.int64)
        starts = np.array([start for start, _ in encoding.offsets] + [len(text)])
        # Special tokens at the end have offset 0, like those at the start.
        starts[len(ids) - processor.vocabulary.suffix :] = len(text)
        seen = max(1, min(len(ids), context) // 2) if halves else 1
        begin, done = 0, seen
        while done < len(ids):
            end = min(begin + context, len(ids))
            edges = starts[done : end + 1].copy()
            if done <= processor.vocabulary.prefix:
                edges[0] = 0
            size = len(text[edges[0] : edges[-1]].encode())
            yield Window(number, ids[begin:end], done - begin, edges, size)
            done, begin = end, end - context // 2


def drawn(windows: list[Window], random: np.random.Generator) -> tuple[list[Window], list[str]]:
    """Return windows of at most about ``MOST_TESTED`` predicted tokens, and a note if some."""
    total = sum(len(window.ids) - window.seen for window in windows)
    if total <= MOST_TESTED:
        return windows, []
    count = max(1, int(len(windows) * MOST_TESTED / total))
    chosen = np.sort(random.choice(len(windows), count, replace=False))
    note = (
        f"Of {len(windows):,} windows of the texts {count:,} are tested, drawn at random, which "
        "bounds the time; the intervals allow for it."
    )
    return [windows[index] for index in chosen], [note]
