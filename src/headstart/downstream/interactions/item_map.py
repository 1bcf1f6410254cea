"""The map of the items: those that the network takes for alike lie together."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

import numpy as np

from headstart.evaluation.projection import FEWEST, flat_map
from headstart.modalities.interactions.processor import FIRST, ItemProcessor
from headstart.pages.markup import Markup, tag
from headstart.pages.scatter import Spot, scatter

if TYPE_CHECKING:
    from headstart.encoders import TokenEncoder
    from headstart.evaluation.protocols import OpenedRun
    from headstart.modalities.interactions.item_table import ItemTable

#: Items on the map.
MOST = 2000
#: Categories that have a colour.
_CATEGORIES = 6
#: Shares of the catalogue, the commonest items first, that have one colour each.
_BANDS = ((0.01, "commonest 1%"), (0.1, "to 10%"), (0.5, "to 50%"), (1.0, "rarest half"))
_HINT = "Point at a mark, tap it, or use the arrow keys: its item is shown here."


def item_map(opened: OpenedRun, counts: np.ndarray, seed: int) -> Markup:
    """Return the section of the map, or nothing where there are too few items.

    Args:
        counts: (I,) events of each item.
    """
    processor = cast(ItemProcessor, opened.processor)
    known = np.flatnonzero(counts)
    if len(known) < FEWEST:
        return Markup("")
    ordered = known[np.argsort(-counts[known], kind="stable")]
    # The commonest, whose vectors are learned best, and some of all others.
    half = MOST // 2
    rest = ordered[half:]
    some = (
        rest[np.unique(np.linspace(0, len(rest) - 1, MOST - half).astype(int))]
        if len(rest)
        else rest
    )
    items = np.concatenate([ordered[:half], some])
    table = cast("TokenEncoder", opened.encoder).token_embedding.weight.detach()
    vectors = table[FIRST + items].float().numpy()
    places = np.empty(len(counts), dtype=np.int64)
    places[ordered] = np.arange(len(ordered))
    names = [processor.names[int(item)] for item in items]
    found = _categories(names, processor.table)
    if found is None:
        shares = (places[items] + 1) / len(ordered)
        groups, titles, colours = _bands(shares)
    else:
        groups, titles, colours = found
    spots = [
        Spot(
            float(x),
            float(y),
            group,
            processor.title_of(name),
            f"{counts[item]:,} events; item {name}, number {places[item] + 1:,} by events",
        )
        for item, name, group, (x, y) in zip(
            items, names, groups, flat_map(vectors, seed), strict=True
        )
    ]
    drawn = scatter(
        "What lies near is alike to the network",
        spots,
        titles,
        hint=_HINT,
    )
    words = (
        f"{len(items):,} of {len(known):,} items, placed by t-SNE of their vectors by cosine; the "
        f"distance between groups and the axes mean nothing. {colours}"
    )
    return tag(
        "section",
        tag("h2", "Map of the items", id="map"),
        drawn,
        tag("p", words, class_="small"),
    )


def _bands(shares: np.ndarray) -> tuple[list[int], list[str], str]:
    """Return the band of popularity of each item, the names of the bands, and what they say."""
    groups = np.searchsorted([share for share, _ in _BANDS], shares).tolist()
    words = (
        "Colours are bands of popularity: where each lies by itself, the network tells items apart "
        "by how common they are."
    )
    return groups, [name for _, name in _BANDS], words


def _categories(
    names: list[str], table: ItemTable | None
) -> tuple[list[int], list[str], str] | None:
    """Return the same for the commonest categories; None where few items have one."""
    known = {} if table is None else table.items
    first = [next(iter(known[name].categories), "") if name in known else "" for name in names]
    counted = Counter(filter(None, first))
    if len(counted) < 2 or 2 * counted.total() < len(names):
        return None
    titles = [name for name, _ in counted.most_common(_CATEGORIES)]
    groups = [titles.index(each) if each in titles else -1 for each in first]
    words = (
        "Colours are the first category of each item, which training did not see; grey ones have "
        "another one, or none."
    )
    return groups, titles, words
