"""The map of the items: those that the network takes for alike lie together."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from headstart.evaluation.projection import FEWEST, flat_map
from headstart.modalities.interactions.processor import FIRST, ItemProcessor
from headstart.pages.markup import Markup, tag
from headstart.pages.scatter import Spot, scatter

if TYPE_CHECKING:
    from headstart.encoders import TokenEncoder
    from headstart.evaluation.protocols import OpenedRun

#: Items on the map.
MOST = 2000
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
    bands = np.searchsorted([share for share, _ in _BANDS], (places[items] + 1) / len(ordered))
    spots = [
        Spot(
            float(x),
            float(y),
            int(band),
            processor.title_of(name := processor.names[int(item)]),
            f"{counts[item]:,} events; item {name}, number {places[item] + 1:,} by events",
        )
        for item, band, (x, y) in zip(items, bands, flat_map(vectors, seed), strict=True)
    ]
    drawn = scatter(
        "What lies near is alike to the network",
        spots,
        [name for _, name in _BANDS],
        hint=_HINT,
    )
    words = (
        f"{len(items):,} of {len(known):,} items, placed by t-SNE of their vectors by cosine; the "
        "distance between groups and the axes mean nothing. Colours are bands of popularity: where "
        "each lies by itself, the network tells items apart by how common they are."
    )
    return tag(
        "section",
        tag("h2", "Map of the items", id="map"),
        drawn,
        tag("p", words, class_="small"),
    )
