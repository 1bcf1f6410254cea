"""What may be recommended: the items of the run, and new ones that no event has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

from headstart.downstream.interactions.cold import Mapped, map_to_items
from headstart.downstream.interactions.item_readers import item_reader
from headstart.encoders.opening import OpenedEncoder
from headstart.errors import HeadstartError
from headstart.modalities.interactions.content import names_in
from headstart.modalities.interactions.item_reading import read_item_table
from headstart.modalities.interactions.item_table import ItemTable
from headstart.modalities.interactions.processor import ItemProcessor

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from headstart.config import RecommendConfig
    from headstart.downstream.interactions.network import NetworkRanker
    from headstart.run import RunFolder

#: Columns of a table of new items that can be named.
ITEM_COLUMNS = ("item", "title", "description", "category", "price", "image")


@dataclass(frozen=True)
class Catalogue:
    """The items that may be recommended.

    Attributes:
        names: those of the run, in the order of its codes, and then the new ones.
        known: number of those of the run.
        table: what is known of them, if anything is.
        vectors: (I,E) of those of the run.
        new: what is known of the new ones, where there are some.
    """

    names: Sequence[str]
    known: int
    table: ItemTable | None
    vectors: np.ndarray
    new: Mapped | None = None

    @cached_property
    def codes(self) -> dict[str, int]:
        """The code of each item."""
        return {name: code for code, name in enumerate(self.names)}

    def encoded(self, items: Sequence[str]) -> np.ndarray:
        """Return the code of each item, -1 where it is not one of these."""
        return np.array([self.codes.get(name, -1) for name in items], dtype=np.int64)

    def allowed(self, among: str) -> np.ndarray:
        """Return which items (I,) are among ``all``, the ``known`` or the ``new`` ones."""
        is_new = np.arange(len(self.names)) >= self.known
        return {"all": np.ones_like(is_new), "known": ~is_new, "new": is_new}[among]

    def titles(self, names: Sequence[str]) -> list[str | None]:
        """Return the title of each item, None where it is not known."""
        return [None if self.table is None else self.table.known_title(name) for name in names]


def catalogue_of(
    run: RunFolder,
    opened: OpenedEncoder,
    network: NetworkRanker,
    plan: RecommendConfig,
    notes: list[str],
) -> Catalogue:
    """Return the items of a run, and the new ones that the options name.

    Raises:
        HeadstartError: a table cannot be read, or has nothing to learn from.
    """
    processor = cast(ItemProcessor, opened.processor)
    table = processor.table
    new: list[str] = []
    if plan.all_items:
        if table is None:
            raise HeadstartError(
                f"{run.folder} has no table of items, so that all its items have events; leave out "
                "--all-items, or pre-train with --set interactions.item_table=FILE."
            )
        new += [name for name in table.items if name not in processor.ids]
    if plan.new_items is not None:
        given = _given(plan)
        found = [name for name in given.items if name not in processor.ids]
        if not found:
            raise HeadstartError(
                f"all {len(given):,} items of {plan.new_items} have events in the run already; "
                "leave out --new-items, or name a table of new ones."
            )
        known = len(given) - len(found)
        if known:
            are = "1 item has" if known == 1 else f"{known:,} items have"
            notes.append(f"{plan.new_items}: {are} events already, so not new.")
        own = {} if table is None else table.items
        table = ItemTable({**own, **given.items}.values())
        new = list(dict.fromkeys([*new, *found]))
    if not new:
        return _of_run(network, processor, table, plan)
    readers = [item_reader(folder, notes.append) for folder in plan.items_encoder]
    if table is None:  # what has new items has a table
        raise AssertionError
    vectors = network.vectors()
    try:
        found_of = map_to_items(vectors, processor, table, new, readers)
    except HeadstartError as error:
        raise HeadstartError(f"{run.folder}: {error}") from None
    notes.append(
        f"{'1 new item is' if len(new) == 1 else f'{len(new):,} new items are'} ranked by what is "
        f"known of {'it' if len(new) == 1 else 'them'}, which explains "
        f"{max(0.0, found_of.explained):.0%} of how the vectors of known items differ."
    )
    return Catalogue([*processor.names, *new], len(vectors), table, vectors, found_of)


def _of_run(
    network: NetworkRanker,
    processor: ItemProcessor,
    table: ItemTable | None,
    plan: RecommendConfig,
) -> Catalogue:
    """Return the items of the run alone."""
    if plan.among == "new":
        raise HeadstartError(
            "there are no new items to rank; name them with --new-items FILE, "
            "or ask for those of the run's table without events with --all-items."
        )
    return Catalogue(processor.names, len(processor.names), table, network.vectors())


def _given(plan: RecommendConfig) -> ItemTable:
    assert plan.new_items is not None
    columns = {
        "label" if name == "category" else name: column
        for name, column in plan.columns.items()
        if name in ITEM_COLUMNS
    }
    return read_item_table(plan.new_items, columns, "--column ")


def typed_items(values: Sequence[str], table: ItemTable | None, known: Container[str]) -> list[str]:
    """Return the items of what was typed: a title as a whole, or ids such as ``12,7,9``."""
    found: list[str] = []
    for value in values:
        titled = table.named.get(value.strip().lower(), []) if table is not None else []
        # Of several items with this title one that has events, if there is one.
        titled = sorted(titled, key=lambda name: name not in known)
        found += titled[:1] or names_in(value) or []
    return found
