"""Cells of a table of items: texts, categories, prices and names of pictures."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from headstart.modalities.interactions.ids import name_of

#: Letters of an item's text, and categories, that are kept.
LETTERS, MOST = 4000, 64
TITLE_NAMES = (
    *("title", "name", "item_name", "product_name", "product_title", "movie_title", "item_title"),
    *("track_name", "song_name", "book_title", "headline", "original_title"),
)
TEXT_NAMES = (
    *("description", "text", "overview", "summary", "plot", "abstract", "body", "content"),
    *("details", "product_description", "long_description", "features"),
)
CATEGORY_NAMES = (
    *("genres", "genre", "categories", "category", "tags", "main_category", "topics", "topic"),
    *("category_name", "department", "class", "label", "labels"),
)
PRICE_NAMES = ("price", "list_price", "unit_price", "sale_price", "retail_price", "amount")
IMAGE_NAMES = (
    *("image", "image_path", "image_file", "image_name", "picture", "photo", "img", "img_path"),
    *("thumbnail", "cover", "poster", "file_name", "filename", "file", "path", "image_url"),
)
#: Between the categories of a cell; the first of these that it has divides it.
_SEPARATORS = ("|", ";", ",")
_PICTURE = re.compile(r"\.(?:jpe?g|jpe|jfif|png|webp|tiff?|gif|bmp)$", re.IGNORECASE)
_AMOUNT = re.compile(r"\d(?:[\d.,\u00a0\u202f' ]*\d)?")
#: Thousands with a mark before each three digits, and a last mark that begins other decimals.
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d{0,2}(?:\.\d{3}){2,}")
_DECIMALS = re.compile(r"[.,](\d+)$")


def categories_in(value: Any) -> tuple[str, ...]:
    """Return the categories of a list, or of a cell such as ``"Action|Comedy"``, each once."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            for reader in (json.loads, ast.literal_eval):  # JSON, or a list as Python writes it
                try:
                    return categories_in(reader(text))
                except (ValueError, SyntaxError, RecursionError, MemoryError):
                    continue
        between = next((mark for mark in _SEPARATORS if mark in text), None)
        value = text.split(between) if between else [text]
    if isinstance(value, Mapping):  # as of TMDB: {"id": 16, "name": "Animation"}
        value = [value.get("name")]
    if not isinstance(value, list | tuple):
        value = value.tolist() if hasattr(value, "tolist") else [value]
        value = value if isinstance(value, list) else [value]
    found: dict[str, None] = {}
    for one in value:
        if isinstance(one, list | tuple | Mapping):
            found |= dict.fromkeys(categories_in(one))
        elif (name := name_of(one)) is not None:
            found[name] = None
    return tuple(found)[:MOST]


def text_in(value: Any) -> str:
    """Return what a cell says, on one line; a list of texts joined."""
    if isinstance(value, list | tuple):
        return " ".join(filter(None, map(text_in, value)))
    if isinstance(value, str):
        value = value.encode("utf-8", "replace").decode()
    return " ".join((name_of(value) or "").split()) if isinstance(value, str | int | float) else ""


def price_in(value: Any) -> float | None:
    """Return the price of a cell such as ``12.5``, ``"$1,299.00"`` or ``"12,99 €"``.

    Of several, as in ``"12 - 15"``, it is the first. A single point is a decimal point, as in
    ``"1.299"``; a single comma before three digits marks thousands, as in ``"1,299"``. None where
    there is none, or it is negative.
    """
    if isinstance(value, bool):
        return None
    with suppress(ValueError, TypeError, OverflowError):
        number = float(value)
        return number if math.isfinite(number) and number >= 0 else None
    found = _AMOUNT.search(value) if isinstance(value, str) else None
    if found is None or value[: found.start()].rstrip().endswith(("-", "\u2212")):
        return None
    amount = re.sub(r"[^\d.,]", "", found.group())
    decimals = None if _THOUSANDS.fullmatch(amount) else _DECIMALS.search(amount)
    whole = re.sub(r"\D", "", amount[: decimals.start()] if decimals else amount)
    price = float(f"{whole or '0'}.{decimals.group(1) if decimals else '0'}")
    return price if math.isfinite(price) else None


def names_picture(value: Any) -> bool:
    """Return whether a cell names a file of a picture."""
    return isinstance(value, str) and _PICTURE.search(value.strip()) is not None
