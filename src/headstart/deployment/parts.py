"""Vectors of what records consist of: embedded, and searched for those like one."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from headstart.deployment.search import Index, search
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities import Parts


def parts_of(opened: OpenedEncoder) -> Parts:
    """Return what the records of an encoder consist of.

    Raises:
        HeadstartError: this kind of data has no parts with vectors.
    """
    place = opened.modality.parts
    if place is None:
        raise HeadstartError(
            f"{opened.folder} reads {opened.modality.content.noun}, and their parts have no "
            "vectors that mean something alone; name inputs to embed."
        )
    module, _, name = place.partition(":")
    found: Parts = getattr(import_module(module), name)(opened)
    return found


def like_parts(opened: OpenedEncoder, query: str, count: int) -> list[dict[str, Any]] | None:
    """Return the parts nearest to those that a query names, without these; None if it names none.

    Raises:
        HeadstartError: the query names no part, and is no record of several either.
    """
    if opened.modality.parts is None or os.path.exists(os.path.expanduser(query)):
        return None
    return nearest_parts(parts_of(opened), query, count)


def nearest_parts(parts: Parts, query: str, count: int) -> list[dict[str, Any]] | None:
    """Return the parts nearest to those that a query names, without these; None if it names none.

    Raises:
        HeadstartError: the query names no part, and is no record of several either.
    """
    chosen = parts.asked(query)
    if chosen is None:
        return None
    index = Index(
        list(parts.names),
        parts.vectors,
        lambda indices: [dict(parts.described[row]) for row in indices.tolist()],
    )
    rows: list[dict[str, Any]] = []
    for row in chosen:
        name = parts.names[row]
        near = search(index, [name], parts.vectors[row : row + 1], count + 1)
        others = [each for each in near if each["id"] != name][:count]
        rows += [{**each, "rank": rank} for rank, each in enumerate(others, 1)]
    return rows
