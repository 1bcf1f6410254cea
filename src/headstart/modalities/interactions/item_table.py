"""What is known of items beside their events: titles, texts, categories, prices, pictures.

Imports no torch.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from headstart.data.audit import Audit
from headstart.files import whole_file
from headstart.pages.markup import cut
from headstart.stored import opening

#: The file of a run that holds the table.
STORED = "item_table.parquet"
_OLDEST = ("id", "title", "text", "categories")
_COLUMNS = (*_OLDEST, "price", "image")


class Item(NamedTuple):
    """One row of the table.

    Attributes:
        name: the id, as of :func:`headstart.modalities.interactions.ids.name_of`.
        title, text: empty where they are not known.
        image: path of a picture, inside the folder of the table; empty where there is none.
    """

    name: str
    title: str = ""
    text: str = ""
    categories: tuple[str, ...] = ()
    price: float | None = None
    image: str = ""


class ItemTable:
    """What is known of items by their ids; read from a file when first asked for.

    Example::

        table = ItemTable([Item("12", "Toy Story (1995)", categories=("Animation",))])
        table.title_of("12"), table.title_of("13")  # ("Toy Story (1995)", "13")

    Attributes:
        doubles: rows whose id an earlier row has; the first row of an id counts.
        lost: names of pictures that are no files inside the folder of the table.
        audit: of the reading, if it was read from a user's file.
    """

    def __init__(
        self,
        rows: Iterable[Item] | Path,
        *,
        doubles: int = 0,
        lost: Sequence[str] = (),
        audit: Audit | None = None,
    ) -> None:
        self._source = rows if isinstance(rows, Path) else list(rows)
        self.doubles, self.lost, self.audit = doubles, lost, audit or Audit()

    @cached_property
    def items(self) -> dict[str, Item]:
        """The rows by id, in the order of the file."""
        rows = _stored(self._source) if isinstance(self._source, Path) else self._source
        return {row.name: row for row in rows}

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, name: str) -> bool:
        return name in self.items

    def known_title(self, name: str) -> str | None:
        """Return the title of an item; None where none is known."""
        found = self.items.get(name)
        return (found.title or None) if found else None

    def title_of(self, name: str) -> str:
        """Return the title of an item, or its id where none is known."""
        return self.known_title(name) or name

    def shown(self, name: str) -> str:
        """Return the id of an item, with its title where one is known."""
        title = self.known_title(name)
        return name if title is None or title == name else f"{name} {title}"

    @cached_property
    def named(self) -> dict[str, list[str]]:
        """The ids of each title, which is in lower case."""
        found: dict[str, list[str]] = {}
        for row in self.items.values():
            if row.title:
                found.setdefault(row.title.lower(), []).append(row.name)
        return found

    def save(self, folder: Path) -> None:
        """Write :data:`STORED` into a folder."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = list(self.items.values())
        columns = {
            "id": pa.array([row.name for row in rows], pa.string()),
            "title": pa.array([row.title for row in rows], pa.string()),
            "text": pa.array([row.text for row in rows], pa.string()),
            "categories": pa.array([list(row.categories) for row in rows], pa.list_(pa.string())),
            "price": pa.array([row.price for row in rows], pa.float64()),
            "image": pa.array([row.image for row in rows], pa.string()),
        }
        with whole_file(folder / STORED) as partial:
            pq.write_table(pa.table(columns), partial)

    @classmethod
    def load(cls, folder: Path) -> ItemTable | None:
        """Return what :meth:`save` wrote; None where nothing was."""
        return cls(folder / STORED) if (folder / STORED).is_file() else None


def _stored(file: Path) -> Iterator[Item]:
    import pyarrow.parquet as pq

    with opening(file):
        found = pq.read_table(file)
        # Tables of earlier versions have no prices and no pictures.
        kept = [name for name in _COLUMNS if name in _OLDEST or name in found.column_names]
        for row in zip(*found.select(kept).to_pydict().values(), strict=True):
            each = dict(zip(kept, row, strict=True))
            yield Item(
                each["id"],
                each["title"] or "",
                each["text"] or "",
                tuple(each["categories"] or ()),
                each.get("price"),
                each.get("image") or "",
            )


def note_table(table: ItemTable, events: Counter[str], where: str, audit: Audit) -> None:
    """Note in the audit of events what of the table fits them, and what does not.

    Args:
        events: how many each item has.
        where: the file of the table.
    """
    name = os.path.basename(where)
    missing = [item for item in events if item not in table]
    without = sum(1 for item in table.items if item not in events)
    titled = sum(1 for item in events if table.known_title(item))
    facts = audit.findings.setdefault("facts", {})
    facts["rows of the table of items"] = f"{len(table):,}"
    facts["items with a title"] = f"{titled:,} ({titled / max(1, len(events)):.1%})"
    for what, has in (
        ("category", lambda row: bool(row.categories)),
        ("price", lambda row: row.price is not None),
        ("picture", lambda row: bool(row.image)),
    ):
        count = sum(1 for item in events if item in table and has(table.items[item]))
        if count:
            facts[f"items with a {what}"] = f"{count:,} ({count / max(1, len(events)):.1%})"
    said = []
    if missing:
        said.append(f"{len(missing):,} of {len(events):,} items with events have no row")
    if without:
        said.append(_counted(without, "is of an item", "are of items") + " without an event")
    if table.doubles:
        said.append(_counted(table.doubles, "repeats", "repeat") + " the id of an earlier one")
    if table.lost:
        lost = f"{len(table.lost):,} pictures are no files"
        lost = "1 picture is no file" if len(table.lost) == 1 else lost
        said.append(f"{lost} inside its folder, such as {cut(table.lost[0], 60)!r}")
    if table.audit.quarantined:
        (reason, count), *_ = table.audit.reasons.most_common(1)
        set_aside = _counted(table.audit.quarantined, "is set aside", "are set aside")
        said.append(f"{set_aside} ({count:,}: {reason})")
    if said:
        audit.notes.append(f"{name}: {'; '.join(said)}.")
    if not any(any(row[1:]) for row in table.items.values()):
        audit.notes.append(
            f"{name} has no column that is known for titles, texts, categories, prices or "
            "pictures; name one with --set interactions.title=COLUMN."
        )
    if events and len(missing) == len(events):
        audit.notes.append(
            f"{name} knows none of the items, such as {missing[0]!r}; name the column of the same "
            "ids with --set interactions.item=COLUMN."
        )
    audit.notes += table.audit.notes


def _counted(count: int, one: str, several: str) -> str:
    return f"1 row {one}" if count == 1 else f"{count:,} rows {several}"
