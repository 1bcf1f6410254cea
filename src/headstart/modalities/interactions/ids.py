"""Ids of users and items: how they are written, and what their columns are called."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from itertools import islice
from typing import Any

from headstart.data.columns import label_text

ITEM_NAMES = (
    *("item", "item_id", "itemid", "iid", "product", "product_id", "productid", "asin", "sku"),
    *("movie", "movie_id", "movieid", "track_id", "song_id", "article_id", "book_id", "isbn"),
    *("parent_asin", "stockcode", "business_id", "poi_id"),
)


def name_of(value: Any) -> str | None:
    """Return the id of a user or an item as a string, alike from every format; None for none.

    7, 7.0 and ``"7"`` are one id, as a column of numbers with a gap is written with points.
    """
    if type(value) is int or (type(value) is str and value.isascii() and value.isdigit()):
        return str(value)  # what most are
    if isinstance(value, float) and not math.isfinite(value):
        return None
    found = label_text(value)
    if found is not None and not found.isascii():
        try:
            found.encode()
        except UnicodeEncodeError:  # half of a character
            return None
    return None if found is None or found.lower() in ("nan", "null", "none", "nat") else found


#: Most names that are looked at for one that may be meant.
_LOOKED_AT = 500_000


def likely(name: str, known: Iterable[str], most: int = 50) -> list[str]:
    """Return the known names with most pairs of letters in common with an unknown one.

    Among very many only the first are looked at; a careful comparison of all would take minutes.
    """
    pairs = _pairs(name)

    def shared(other: str) -> float:
        own = _pairs(other)
        return 2 * len(pairs & own) / (len(pairs) + len(own))

    return heapq.nlargest(most, islice(known, _LOOKED_AT), key=shared)


def _pairs(name: str) -> set[str]:
    """Return the pairs of letters of a name, with its beginning and its end."""
    marked = f"^{name.lower()}$"
    return {marked[at : at + 2] for at in range(len(marked) - 1)}
