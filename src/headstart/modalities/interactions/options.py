"""The options of interactions: which events count, how they are divided, what is held out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.config import Options
from headstart.config.options import OptionalSource


class InteractionOptions(Options):
    """Options of interactions, for ``--set interactions.KEY=VALUE``."""

    least_value: float | None = Field(
        None, description="Lowest value of an event that counts, such as a rating of 4."
    )
    least_events: int = Field(
        1, ge=1, le=1000, description="Fewest events of a user; with least_users a k-core."
    )
    least_users: int = Field(
        1, ge=1, le=100_000, description="Fewest users of an item; rarer items are left out."
    )
    repeats: Literal["merge", "first", "keep"] = Field(
        "merge",
        description="An item that a user has again: merge it with the event before where that is "
        "the same item, keep the first event of each item, or keep all.",
    )
    ties: Literal["file", "shuffle"] = Field(
        "file", description="Order of a user's events of one time: as in the file, or at random."
    )
    ties_seed: int = Field(0, ge=0, description="Seed of the random order of ties.")
    kinds: str | None = Field(
        None,
        description="Kinds of events that count, such as buy,cart, where a column names kinds "
        "(event, action, ..., or --column kind=COLUMN); all by default.",
    )
    session_gap: float | None = Field(
        None, gt=0, description="Seconds without an event after which a new sequence begins."
    )
    hold_out: Literal["last", "time", "session", "none"] = Field(
        "last",
        description="What training does not see, as it is tested: the last two items of each "
        "user (the second last one validates), the latest fifth of all events by time (its first "
        "half validates), the last two sessions of each user, or nothing.",
    )
    seen: Literal["remove", "keep"] = Field(
        "remove", description="Items of a user's history, where others are ranked for that user."
    )
    # The run keeps a copy of the table; whoever opens an encoder does not look for it again.
    item_table: OptionalSource = Field(
        None,
        exclude=True,
        description="Table of items (.csv, .tsv, .jsonl, .parquet) with their ids, titles, texts, "
        "categories, prices and names of pictures; the run keeps a copy, of pictures the paths.",
    )
    item: str | None = Field(
        None, exclude=True, description="Column of the ids in the table of items."
    )
    title: str | None = Field(
        None, exclude=True, description="Column of the titles in the table of items."
    )
    description: str | None = Field(
        None, exclude=True, description="Column of the texts in the table of items."
    )
    category: str | None = Field(
        None,
        exclude=True,
        description="Column of the categories in the table of items, one or several a cell.",
    )
    price: str | None = Field(
        None, exclude=True, description="Column of the prices in the table of items."
    )
    image: str | None = Field(
        None,
        exclude=True,
        description="Column of the pictures in the table of items: files inside its folder.",
    )
    positions: Literal["start", "end"] = Field(
        "start",
        description="Where an encoder with learned positions counts from: the first item that it "
        "reads, or the latest, as SASRec does.",
    )

    @property
    def in_sessions(self) -> bool:
        """Whether a record is a session, whose name is that of its user and ``#`` and a number."""
        return self.session_gap is not None or self.hold_out == "session"
