"""What items are like, by their titles, texts, categories, prices and pictures, as vectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headstart.data.vectors import unit_length
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.modalities.interactions.item_table import Item

#: Directions of the words that are kept, and categories.
TOPICS, MOST = 256, 512
#: Letters of scripts without spaces between words, of which pairs are words.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+")

#: Soft steps of prices, and the width of one; prices are ranks between 0 and 1.
STEPS, WIDE = 8, 0.12


class Vectors(NamedTuple):
    """What a reader makes of items.

    Attributes:
        rows: (m,) indices of those that it can read.
        vectors: (m,D) of these.
    """

    rows: np.ndarray
    vectors: np.ndarray


#: From items to vectors, such as an encoder of texts or of pictures.
Reader = Callable[[Sequence["Item"]], Vectors]


def said_of(item: Item) -> str:
    """Return all that is said of an item, as one text."""
    return ". ".join(filter(None, [item.title, ", ".join(item.categories), item.text]))


def is_described(item: Item) -> bool:
    """Return whether anything is known of an item without a picture's encoder."""
    return bool(said_of(item)) or item.price is not None


def features_of(
    items: Sequence[Item], fitted: np.ndarray, read: Sequence[Vectors] = ()
) -> np.ndarray:
    """Return features (n,F) float32 of items.

    They are the words' TF-IDF, reduced, the categories, the price, and the vectors of readers; each
    of these has length 1 where an item has it, and 0 elsewhere.

    Args:
        fitted: (n,) which of the items the words, categories and prices are collected from.
        read: what readers made of the items.

    Raises:
        HeadstartError: nothing is known of any of those items.
    """
    parts = [_words(items, fitted), _categories(items, fitted), _prices(items, fitted)]
    for rows, found in read:
        vectors = np.zeros((len(items), found.shape[1]), np.float32)
        if len(rows):
            # The mean of an encoder's vectors tells nothing, and is often most of their length.
            vectors[rows] = unit_length(found - found.mean(0))
        parts.append(vectors)
    found = np.hstack([part for part in parts if part.shape[1]] or [np.empty((len(items), 0))])
    if not found.shape[1]:
        raise HeadstartError(
            "nothing is said of the items that have events, so nothing can be learned for new "
            "ones; give a table with a column of titles, texts, categories or prices."
        )
    return np.asarray(found, dtype=np.float32)


def words_in(text: str) -> list[str]:
    """Return the words of a text in lower case; of scripts without spaces, pairs of letters."""
    found: list[str] = []
    for word in re.findall(r"\w+", text.lower()):
        if _UNSPACED.search(word) and len(word) > 1:
            found += [word[at : at + 2] for at in range(len(word) - 1)]
        else:
            found.append(word)
    return found


def _words(items: Sequence[Item], fitted: np.ndarray) -> np.ndarray:
    """Return the reduced TF-IDF (n,K) of titles and texts; K is 0 where they have no words."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [f"{item.title} {item.text}" for item in items]
    known = [text for text, has in zip(texts, fitted, strict=True) if has]
    if not any(map(words_in, known)):
        return np.empty((len(items), 0), np.float32)
    least = 2 if len(known) >= 100 else 1  # a word of one item tells nothing of another
    try:
        reader = TfidfVectorizer(analyzer=words_in, min_df=least, sublinear_tf=True).fit(known)
    except ValueError:  # no word is in two items
        return np.empty((len(items), 0), np.float32)
    counts = reader.transform(texts)
    size = min(TOPICS, counts.shape[1] - 1, int(fitted.sum()) - 1)
    if size < 2:
        return np.asarray(counts.toarray(), dtype=np.float32)
    reduced = TruncatedSVD(size, random_state=0).fit(counts[np.flatnonzero(fitted)])
    return np.asarray(reduced.transform(counts), dtype=np.float32)


def _categories(items: Sequence[Item], fitted: np.ndarray) -> np.ndarray:
    """Return which of the commonest categories each item has (n,K), of length 1."""
    from collections import Counter

    counts: Counter[str] = Counter()
    for item, has in zip(items, fitted, strict=True):
        if has:
            counts.update(each.lower() for each in item.categories)
    known = {name: column for column, (name, _) in enumerate(counts.most_common(MOST))}
    found = np.zeros((len(items), len(known)), np.float32)
    for row, item in enumerate(items):
        columns = [known[each.lower()] for each in item.categories if each.lower() in known]
        found[row, columns] = 1 / max(1, len(set(columns))) ** 0.5
    return found


def _prices(items: Sequence[Item], fitted: np.ndarray) -> np.ndarray:
    """Return soft steps (n,8) of the ranks of prices among those that are fitted, of length 1.

    A ridge regression on them may follow any smooth curve, and scales and currencies do not count.
    """
    known = [item.price for item, has in zip(items, fitted, strict=True) if has]
    ordered = np.sort([price for price in known if price is not None])
    if not len(ordered) or ordered[0] == ordered[-1]:
        return np.empty((len(items), 0), np.float32)
    found = np.zeros((len(items), STEPS), np.float32)
    rows = [row for row, item in enumerate(items) if item.price is not None]
    prices = np.array([items[row].price for row in rows], np.float64)
    between = np.searchsorted(ordered, prices) + np.searchsorted(ordered, prices, side="right")
    ranks = between / (2 * len(ordered))
    apart = (ranks[:, None] - np.linspace(0, 1, STEPS)) / WIDE
    found[rows] = unit_length(np.exp(-(apart**2) / 2))
    return found
