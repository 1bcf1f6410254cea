"""Answers to questions without learning to read: the span whose neighbours share most words with
the question.

The sliding window of Richardson et al. 2013 (https://aclanthology.org/D13-1020), as the baseline of
SQuAD (Rajpurkar et al. 2016, section 5.1, https://arxiv.org/abs/1606.05250). Without a parser the
candidates are all runs of as many words as gave the best F1 on training questions.
"""

from __future__ import annotations

from re import Match
from typing import TYPE_CHECKING

import numpy as np

from headstart.downstream.text.spans import squad_scores
from headstart.modalities.text.scripts import WORD, folded, pattern

if TYPE_CHECKING:
    from datasets import Dataset

#: Lengths of answers that are tried, in words; 0 is no answer.
_LENGTHS = (0, 1, 2, 3, 4, 6, 8)
#: Training questions that choose the length.
_QUESTIONS = 500


def sliding_window(train: Dataset, tested: Dataset) -> list[str]:
    """Return an answer for each tested question; its length is chosen on training questions."""
    some = train.select(range(min(_QUESTIONS, len(train))))
    truths = answers_of(some)
    scores = [squad_scores(_answers(some, length), truths)["f1"] for length in _LENGTHS]
    return _answers(tested, _LENGTHS[int(np.argmax(scores))])


def answers_of(records: Dataset) -> list[list[str]]:
    """Return the correct answers of each question; none where its context has none."""
    return [
        [row["text"][a:b] for a, b in zip(row["starts"], row["ends"], strict=True)]
        for row in records
    ]


def _answers(records: Dataset, length: int) -> list[str]:
    if not length:
        return [""] * len(records)
    return [answer(row["text"], row["question"], length) for row in records]


def answer(context: str, question: str, length: int) -> str:
    """Return the ``length`` words of a context whose neighbours share most with the question.

    A shared word counts ``log(1 + 1 / its number in the context)``; the window has as many words on
    either side as the question. A span that has words of the question itself is worth less.
    """
    spans = [match.span() for match in _words(context)]
    words = [folded(context[start:end]) for start, end in spans]
    if len(words) <= length:
        return context.strip()
    asked = [folded(match.group()) for match in _words(question)]
    names, index, counts = np.unique(words, return_inverse=True, return_counts=True)
    value = np.where(np.isin(names, asked), np.log1p(1 / counts), 0.0)[index]
    total = np.append(0.0, np.cumsum(value))
    starts = np.arange(len(words) - length + 1)
    low = np.maximum(starts - len(asked), 0)
    high = np.minimum(starts + length + len(asked), len(words))
    inside = total[starts + length] - total[starts]
    best = int((total[high] - total[low] - 2 * inside).argmax())
    return context[spans[best][0] : spans[best + length - 1][1]]


def _words(text: str) -> list[Match[str]]:
    return list(pattern(WORD).finditer(text))
