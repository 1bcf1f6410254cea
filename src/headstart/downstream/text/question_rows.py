"""A question and a window of its context as a row of tokens."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer

from headstart.downstream.text.word_rows import IGNORED
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.modalities.text.processor import TextProcessor

#: Fewest tokens of a context that a row must have room for.
FEWEST = 8
_CHUNK = 1000


class Layout:
    """How a tokenizer joins two texts in one row: ``before`` A ``middle`` B ``after``.

    Derived from an encoded pair, so that rows are as Transformers makes them.

    Attributes:
        before, middle, after: special ids.
        second: token type of B and of ``after``.
    """

    def __init__(self, processor: TextProcessor) -> None:
        self.tokenizer = Tokenizer.from_str(processor.tokenizer.backend_tokenizer.to_str())
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        pair = self.tokenizer.encode("a", "a", add_special_tokens=True)
        parts = {
            number: [index for index, _ in some]
            for number, some in groupby(enumerate(pair.sequence_ids), key=lambda item: item[1])
            if number is not None
        }
        first, second = parts[0], parts[1]
        self.before = pair.ids[: first[0]]
        self.middle = pair.ids[first[-1] + 1 : second[0]]
        self.after = pair.ids[second[-1] + 1 :]
        self.second = int(pair.type_ids[second[0]])

    @property
    def specials(self) -> int:
        """Special tokens per row."""
        return len(self.before) + len(self.middle) + len(self.after)


class Window(NamedTuple):
    """Tokens ``first`` to ``last`` (exclusive) of the context of a record."""

    record: int
    first: int
    last: int


class QuestionRows:
    """Windows over the contexts of questions; a row is one window, the question before it.

    Where a window does not contain the answer, the target is position 0 (as BERT does for SQuAD 2,
    Devlin et al. 2018, section 4.3).

    Args:
        processor: the encoder's :class:`headstart.modalities.text.processor.TextProcessor`.
        records: with ``text`` and ``question``, and with ``starts`` and ``ends`` to learn from.
        length: most tokens of a row.
        stride: tokens that neighbouring windows share, at most half a window; None for a third.
        question_length: most tokens of a question, at most half a row; the rest is cut off.
        learns: whether batches have the answers as ``labels``.

    Attributes:
        contexts: (N) texts.
        truths: (N) lists of the correct answers, or None.
    """

    def __init__(
        self,
        processor: TextProcessor,
        records: Dataset,
        length: int,
        stride: int | None = None,
        question_length: int = 64,
        *,
        learns: bool = True,
    ) -> None:
        self.pad_id = processor.vocabulary.pad_id
        self.layout = Layout(processor)
        room = length - self.layout.specials
        if room < 2 * FEWEST:
            raise HeadstartError(
                f"a row of {length} tokens has no room for a question and a context; pre-train "
                "with a longer --length."
            )
        self.contexts = list(records["text"])
        self._questions = [
            ids[: min(question_length, room // 2)]
            for ids, _ in _tokens(self.layout.tokenizer, list(records["question"]))
        ]
        self._tokens = _tokens(self.layout.tokenizer, self.contexts)
        self.truths: list[list[str]] | None = None
        self._windows: list[Window] = []
        for number, (question, (ids, _)) in enumerate(
            zip(self._questions, self._tokens, strict=True)
        ):
            wide = room - len(question)
            shared = wide // 3 if stride is None else min(stride, wide // 2)
            for first in range(0, max(1, len(ids) - shared), wide - shared):
                self._windows.append(Window(number, first, min(first + wide, len(ids))))
        if learns:
            self._learn(records)

    def __len__(self) -> int:
        return len(self._windows)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the windows at ``indices`` (n,): ``input_ids`` and ``mask`` (n,T).

        ``context`` (n,T) is True at the tokens of the context, which span the characters from
        ``char_starts`` to ``char_ends`` (n,T); ``record`` (n,) is the record of each window, and
        ``labels`` (n,2) the positions of the answer's first and last token where answers are known.
        """
        rows = [self._row(self._windows[index]) for index in indices]
        longest = max((len(ids) for ids, _, _ in rows), default=1)
        shape = (len(rows), longest)
        ids = np.full(shape, self.pad_id, dtype=np.int64)
        mask, context = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        types, chars = np.zeros(shape, dtype=np.int64), np.zeros((2, *shape), dtype=np.int64)
        for at, (tokens, begin, spans) in enumerate(rows):
            ids[at, : len(tokens)] = tokens
            mask[at, : len(tokens)] = True
            context[at, begin : begin + len(spans)] = True
            types[at, begin : len(tokens)] = self.layout.second
            chars[:, at, begin : begin + len(spans)] = spans.T
        batch = {
            "input_ids": torch.from_numpy(ids),
            "mask": torch.from_numpy(mask),
            "context": torch.from_numpy(context),
            "char_starts": torch.from_numpy(chars[0]),
            "char_ends": torch.from_numpy(chars[1]),
            "record": torch.tensor([self._windows[index].record for index in indices]).long(),
        }
        if self.layout.second:
            batch["token_types"] = torch.from_numpy(types)
        if self.truths is not None:
            found = [self._target(self._windows[index]) for index in indices]
            batch["labels"] = torch.tensor(found).view(-1, 2)
        return batch

    def _row(self, window: Window) -> tuple[list[int], int, np.ndarray]:
        """Return a window's ids, where its context begins, and the characters of its tokens."""
        ids, spans = self._tokens[window.record]
        head = [*self.layout.before, *self._questions[window.record], *self.layout.middle]
        some = slice(window.first, window.last)
        return [*head, *ids[some], *self.layout.after], len(head), spans[some]

    def _learn(self, records: Dataset) -> None:
        """Find the first and last token of the first answer of each record; (0, -1) for none."""
        self.truths = []
        self._answers: list[tuple[int, int] | None] = []
        for text, (_, spans), starts, ends in zip(
            self.contexts, self._tokens, records["starts"], records["ends"], strict=True
        ):
            self.truths.append([text[a:b] for a, b in zip(starts, ends, strict=True)])
            if not starts:
                self._answers.append((0, -1))
                continue
            inside = np.flatnonzero((spans[:, 0] < ends[0]) & (spans[:, 1] > starts[0]))
            # An answer that the tokenizer drops has no tokens.
            self._answers.append((int(inside[0]), int(inside[-1])) if len(inside) else None)

    def _target(self, window: Window) -> tuple[int, int]:
        answer = self._answers[window.record]
        if answer is None:
            return IGNORED, IGNORED
        first, last = answer
        if last < first or first < window.first or last >= window.last:
            return 0, 0
        begin = self.layout.specials - len(self.layout.after) + len(self._questions[window.record])
        return begin + first - window.first, begin + last - window.first


def _tokens(tokenizer: Tokenizer, texts: list[str]) -> list[tuple[list[int], np.ndarray]]:
    """Return the ids of each text and the characters (n,2) that each token spans.

    Equal texts, such as contexts of several questions, share the result.
    """
    known: dict[str, tuple[list[int], np.ndarray]] = {}
    fresh = list(dict.fromkeys(texts))
    for start in range(0, len(fresh), _CHUNK):
        some = fresh[start : start + _CHUNK]
        for text, found in zip(
            some, tokenizer.encode_batch(some, add_special_tokens=False), strict=True
        ):
            known[text] = (found.ids, np.array(found.offsets, dtype=np.int32).reshape(-1, 2))
    return [known[text] for text in texts]
