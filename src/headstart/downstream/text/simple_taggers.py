"""Taggers without a network, which a fine-tuned one is compared with: a dictionary, and a linear
model of the features that conditional random fields are given.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any
from zlib import crc32

import numpy as np

from headstart.downstream.text.tag_schemes import OUTSIDE
from headstart.modalities.text.scripts import letters

Tagged = Sequence[Sequence[str]]
#: Longest name that the dictionary knows, in words.
LONGEST = 12
#: Most words that the linear model is fitted to; passes over them; hashed features.
WORDS, EPOCHS, FEATURES = 250_000, 10, 2**18


class Dictionary:
    """Tags words as they mostly were in training: whole names, the longest first, or single words.

    A name is kept if at least half of its occurrences in the training texts were tagged so.

    Args:
        words, tags: of each training text.
        chunked: whether tags mark chunks, such as names; else each word has its most frequent tag.
    """

    def __init__(self, words: Tagged, tags: Tagged, *, chunked: bool) -> None:
        self._unknown = OUTSIDE
        tagged: dict[tuple[str, ...], Counter[tuple[str, ...]]] = defaultdict(Counter)
        if not chunked:
            self._unknown = Counter(tag for row in tags for tag in row).most_common(1)[0][0]
            for text, row in zip(words, tags, strict=True):
                for word, tag in zip(text, row, strict=True):
                    tagged[word,][tag,] += 1
            self._names = {name: found.most_common(1)[0][0] for name, found in tagged.items()}
        else:
            for text, row in zip(words, tags, strict=True):
                for first, end in _chunks(row):
                    if end - first <= LONGEST:
                        tagged[tuple(text[first:end])][tuple(row[first:end])] += 1
            seen = Counter(name for text in words for name, _ in _occurrences(text, tagged))
            best = {name: found.most_common(1)[0] for name, found in tagged.items()}
            self._names = {name: t for name, (t, often) in best.items() if 2 * often >= seen[name]}
        self._longest = max(map(len, self._names), default=0)

    def tag(self, words: Sequence[str]) -> list[str]:
        """Return a tag for each word."""
        found: list[str] = []
        while len(found) < len(words):
            at = len(found)
            for size in range(min(self._longest, len(words) - at), 0, -1):
                name = tuple(words[at : at + size])
                if name in self._names:
                    found += self._names[name]
                    break
            else:
                found.append(self._unknown)
        return found


def _chunks(tags: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield first and last (exclusive) of each chunk of tags such as ``B-PER``, ``I-PER``."""
    first = None
    for at, tag in enumerate([*tags, OUTSIDE]):
        inside = first is not None and tag[:1] in "IE" and tag[1:] == tags[first][1:]
        if first is not None and not inside:
            yield first, at
            first = None
        if tag != OUTSIDE and first is None:
            first = at


def _occurrences(words: Sequence[str], names: Any) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the names that occur in a text, and where."""
    longest = max(map(len, names), default=0)
    for at in range(len(words)):
        for size in range(1, min(longest, len(words) - at) + 1):
            name = tuple(words[at : at + size])
            if name in names:
                yield name, at


class LinearTagger:
    """A linear model of a whole sequence of tags, trained as an averaged structured perceptron.

    Collins 2002 (https://aclanthology.org/W02-1001): the best path under the current weights is
    found by the Viterbi algorithm, and what differs from the true path is corrected. Its features
    are those usual for conditional random fields (Ratinov and Roth 2009): the word, its shape,
    prefixes and suffixes, the words and pairs of words in a window of two, and the tag before.

    Args:
        words, tags: of each training text.
    """

    def __init__(self, words: Tagged, tags: Tagged) -> None:
        self._tags = sorted({tag for row in tags for tag in row})
        index = {tag: number for number, tag in enumerate(self._tags)}
        rows = [
            (_features(text), np.array([index[tag] for tag in row]))
            for text, row in zip(words, tags, strict=True)
            if text
        ]
        size = len(self._tags)
        shapes = (FEATURES, size), (size, size)
        self._weights, self._steps = (np.zeros(shape, np.float32) for shape in shapes)
        # Sums of the corrections times when they were made, for the average over all texts.
        sums = tuple(np.zeros(shape, np.float32) for shape in shapes)
        rng, time = np.random.Generator(np.random.PCG64(0)), 1
        for _ in range(EPOCHS):
            for number in rng.permutation(len(rows)):
                features, truth = rows[number]
                found = _best_path(self._weights[features].sum(1), self._steps)
                self._correct(features, truth, found, (self._weights, self._steps), 1)
                self._correct(features, truth, found, sums, time)
                time += 1
        self._weights -= sums[0] / time
        self._steps -= sums[1] / time

    @staticmethod
    def _correct(
        features: np.ndarray,
        truth: np.ndarray,
        found: np.ndarray,
        arrays: tuple[np.ndarray, ...],
        amount: float,
    ) -> None:
        """Add ``amount`` where the true path passes, and subtract it where the found one does."""
        weights, steps = arrays
        wrong = found != truth
        if not wrong.any():
            return
        for path, sign in ((truth, amount), (found, -amount)):
            np.add.at(weights, (features[wrong], path[wrong, None]), sign)
            np.add.at(steps, (path[:-1], path[1:]), sign)

    def tag(self, words: Sequence[str]) -> list[str]:
        """Return a tag for each word."""
        if not words:
            return []
        path = _best_path(self._weights[_features(words)].sum(1), self._steps)
        return [self._tags[number] for number in path]


def _best_path(scores: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the path (n,) with the greatest sum of scores (n,tags) and steps (before,after)."""
    total, back = scores[0], np.zeros(scores.shape, dtype=np.int64)
    columns = np.arange(scores.shape[1])
    for at in range(1, len(scores)):
        paths = total[:, None] + steps
        back[at] = paths.argmax(0)
        total = paths[back[at], columns] + scores[at]
    path = [int(total.argmax())]
    for at in range(len(scores) - 1, 0, -1):
        path.append(int(back[at, path[-1]]))
    return np.array(path[::-1])


def _features(words: Sequence[str]) -> np.ndarray:
    """Return the features of each word, hashed: (words,22) numbers below :data:`FEATURES`."""
    lower = ["<s>", "<s>", *(word.lower() for word in words), "</s>", "</s>"]
    pairs = [f"{a} {b}" for a, b in pairwise(lower)]
    shapes = ["", *map(_shape, words), ""]
    found = []
    for at in range(len(words)):
        word = lower[at + 2]
        found += [f"{n}={lower[at + n]}" for n in range(5)]
        found += [f"{n}+{pairs[at + n]}" for n in range(4)]
        found += [f"{n}#{shapes[at + n]}" for n in range(3)]
        found += [f"<{word[:n]}" for n in range(1, 5)]
        found += [f"{word[-n:]}>" for n in range(1, 5)]
        found += [f"#{shapes[at + 1]}{word[-2:]}", ""]
    hashed = [crc32(feature.encode()) % FEATURES for feature in found]
    return np.array(hashed, dtype=np.int64).reshape(len(words), -1)


def _shape(word: str) -> str:
    """Return letters as X and x and digits as d, repeated ones once: ``Berlin-3`` is ``Xx-d``.

    Marks belong to their letter.
    """
    shape = ""
    for character in (letter[0] for letter in letters(word)):
        kind = "d" if character.isdigit() else "X" if character.isupper() else "x"
        kind = kind if character.isalnum() else character
        shape += kind if not shape.endswith(kind) else ""
    return shape


def within(words: Tagged, most: int = WORDS) -> int:
    """Return how many of the texts have at most so many words together, one at least."""
    return max(1, int(np.searchsorted(np.cumsum([len(text) for text in words]), most, "right")))
