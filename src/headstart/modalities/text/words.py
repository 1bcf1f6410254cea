"""Words of Chinese, by a dictionary."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence

import numpy as np

from headstart.errors import HeadstartError


def jieba_word_starts(text: str, offsets: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return flags (L,): True where a token holds the first character of a word.

    Args:
        text: the text as the tokenizer saw it.
        offsets: for each token the character span it came from.

    A token that spans several words starts a word, too. Special tokens (empty spans) are words of
    their own.
    """
    begins = np.zeros(len(text) + 1, dtype=bool)
    lengths = [len(word) for word in _jieba().cut(text)]
    begins[list(itertools.accumulate(lengths, initial=0))] = True
    spans = np.asarray(offsets, dtype=np.int64).reshape(-1, 2)
    count = np.concatenate([[0], np.cumsum(begins)])
    first, last = spans[:, 0], spans[:, 1]
    return (last <= first) | (count[np.minimum(last, len(text))] > count[first])


def require_jieba() -> None:
    """Raise a :class:`HeadstartError` where the segmenter is not installed."""
    _jieba()


def _jieba():  # type: ignore[no-untyped-def]
    try:
        import jieba
    except ImportError:
        raise HeadstartError(
            "whole words of Chinese need a segmenter: install the extra with "
            "`pip install 'headstart[chinese]'`, or set text.tokenizer.segmenter=none."
        ) from None
    jieba.setLogLevel(logging.ERROR)
    return jieba
