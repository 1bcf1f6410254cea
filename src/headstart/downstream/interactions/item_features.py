"""What items are like, by their titles, texts and categories, as vectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.vectors import unit_length
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.modalities.interactions.item_table import Item

#: Directions of the words that are kept, and categories.
TOPICS, MOST = 256, 512
#: Letters of scripts without spaces between words, of which pairs are words.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+")

#: From the words of items to vectors (n,D), such as those of an encoder of texts.
Reader = Callable[[Sequence[str]], np.ndarray]


def said_of(item: Item) -> str:
    """Return all that is said of an item, as one text."""
    return ". ".join(filter(None, [item.title, ", ".join(item.categories), item.text]))


def features_of(
    items: Sequence[Item], fitted: np.ndarray, reader: Reader | None = None
) -> np.ndarray:
    """Return features (n,F) float32: the words' TF-IDF, reduced; categories; an encoder's vectors.

    Each of the three has length 1 where an item has it, and 0 elsewhere.

    Args:
        fitted: (n,) which of the items the words and categories are collected from.
        reader: gives further vectors.

    Raises:
        HeadstartError: nothing is said of any of those items.
    """
    parts = [_words(items, fitted), _categories(items, fitted)]
    if reader is not None:
        said = [said_of(item) for item in items]
        filled = np.array([bool(text) for text in said])
        found = reader([text for text, has in zip(said, filled, strict=True) if has])
        vectors = np.zeros((len(items), found.shape[1]), np.float32)
        # The mean of an encoder's vectors tells nothing, and is often most of their length.
        vectors[filled] = unit_length(found - found.mean(0))
        parts.append(vectors)
    found = np.hstack([part for part in parts if part.shape[1]] or [np.empty((len(items), 0))])
    if not found.shape[1]:
        raise HeadstartError(
            "nothing is said of the items that have events, so nothing can be learned for new "
            "ones; give a table with a column of titles, texts or categories."
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
