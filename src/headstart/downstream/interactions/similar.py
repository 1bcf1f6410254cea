"""Items as parts of histories: each has a vector, and items like it are near."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from headstart.errors import HeadstartError, nearest
from headstart.modalities.interactions.content import names_in
from headstart.modalities.interactions.ids import likely, name_of
from headstart.modalities.interactions.processor import FIRST, ItemProcessor
from headstart.modalities.parts import Parts

if TYPE_CHECKING:
    from headstart.encoders import TokenEncoder
    from headstart.encoders.opening import OpenedEncoder


def parts(opened: OpenedEncoder) -> Parts:
    """Return the items of a run with their vectors, the commonest first.

    The mean of all vectors is taken away: it is common to all, and would make all alike.
    """
    processor = cast(ItemProcessor, opened.processor)
    table = cast("TokenEncoder", opened.encoder).token_embedding.weight.detach().float().numpy()
    vectors = table[FIRST:][: len(processor.names)]
    titles: list[str | None] = [None] * len(processor.names)
    if processor.table is not None:
        titles = [processor.table.known_title(name) for name in processor.names]
    return Parts(
        processor.names,
        vectors - vectors.mean(0),
        [{} if title is None else {"title": title} for title in titles],
        partial(_asked, processor),
    )


def _asked(processor: ItemProcessor, query: str) -> list[int] | None:
    """Return the code of the item that was typed, by its id or title; None for a history.

    Raises:
        HeadstartError: it is no item, or none of several is.
    """
    titles = processor.table.named if processor.table is not None else {}
    named = [name_of(query) or "", *titles.get(query.strip().lower(), [])]
    found = [processor.ids[name] - FIRST for name in dict.fromkeys(named) if name in processor.ids]
    if found:
        return found
    several = names_in(query) or []
    if len(several) > 1 and any(name in processor.ids for name in several):
        return None
    raise HeadstartError(f"no item of the run is called {query!r}{_meant(processor, query)}")


def _meant(processor: ItemProcessor, query: str) -> str:
    """Return the end of the sentence: ids or titles that may be meant."""
    wanted = query.strip().lower()
    titles: list[str] = []
    if processor.table is not None:
        titles = [row.title for row in processor.table.items.values() if row.title]
    near = sorted((title for title in titles if wanted in title.lower()), key=len)[:3]
    near = near or nearest(query, likely(query, titles))
    near = near or nearest(query, likely(query, processor.names))
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    what = "its id or title" if titles else "its id, as the sources spell it,"
    return f"; give {what} or a history such as 12,7,9."
