"""Ids of users and items: how they are written, and what their columns are called."""

from __future__ import annotations

import math
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
    return None if found is None or found.lower() in ("nan", "null", "none", "nat") else found
