"""What may be recommended: the items of the run, and new ones that no event has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

from headstart.downstream.interactions.asked import listed
from headstart.downstream.interactions.cold import Mapped, map_to_items
from headstart.downstream.interactions.item_readers import item_reader
from headstart.encoders.opening import OpenedEncoder
from headstart.errors import HeadstartError
from headstart.modalities.interactions.item_reading import read_item_table
from headstart.modalities.interactions.item_table import ItemTable
from headstart.modalities.interactions.processor import ItemProcessor

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        note_given(given, plan.new_items, notes)
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
        if plan.items_encoder:
            raise HeadstartError(
                "--items-encoder reads new items, and none are asked for; name them with "
                "--new-items FILE, or ask for those of the run's table with --all-items."
            )
        return _of_run(network, processor, table, plan)
    readers = [item_reader(folder, notes.append) for folder in plan.items_encoder]
    if table is None:  # what has new items has a table
        raise AssertionError
    vectors = network.vectors()
    try:
        found_of = map_to_items(vectors, processor, table, new, readers)
    except HeadstartError as error:
        raise HeadstartError(f"{run.folder}: {error}") from None
    described = {*found_of.rows.tolist()}
    if bare := [name for row, name in enumerate(new) if row not in described]:
        notes.append(f"{listed(bare, 'new item')} left out, as nothing is known of what they are.")
    new = [new[row] for row in found_of.rows]
    what = "1 new item is" if len(new) == 1 else f"{len(new):,} new items are"
    notes.append(
        f"{what} ranked by {_known_of(table, new, plan.items_encoder)}; over the items with "
        f"events this foretells {max(0.0, found_of.explained):.0%} of how their vectors differ."
    )
    return Catalogue([*processor.names, *new], len(vectors), table, vectors, found_of)


def note_given(given: ItemTable, where: str, notes: list[str]) -> None:
    """Note what of a table of new items was not read."""
    said = []
    if given.doubles:
        rows = "1 row repeats" if given.doubles == 1 else f"{given.doubles:,} rows repeat"
        said.append(f"{rows} the id of an earlier one")
    if given.lost:
        said.append(f"{listed(given.lost, 'picture')} not inside its folder")
    if given.audit.quarantined:
        (reason, count), *_ = given.audit.reasons.most_common(1)
        rows = f"{given.audit.quarantined:,} rows are"
        rows = "1 row is" if given.audit.quarantined == 1 else rows
        said.append(f"{rows} set aside ({count:,}: {reason})")
    if said:
        notes.append(f"{where}: {'; '.join(said)}.")


def _known_of(table: ItemTable, names: Sequence[str], encoders: Sequence[str]) -> str:
    """Return what new items are ranked by, as a list in words."""
    rows = [table.items[name] for name in names]
    has = {
        "titles": any(row.title for row in rows),
        "texts": any(row.text for row in rows),
        "categories": any(row.categories for row in rows),
        "prices": any(row.price is not None for row in rows),
        **{f"what {encoder} reads": True for encoder in encoders},
    }
    *most, last = [what for what, there in has.items() if there]
    return f"{', '.join(most)} and {last}" if most else last


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
