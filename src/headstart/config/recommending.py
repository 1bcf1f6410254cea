"""Options of ``recommend``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.config.models import REPLACE
from headstart.config.options import OptionalSource, SourceOptions
from headstart.config.places import OptionalPlace, Place, Places


class RecommendConfig(SourceOptions):
    """Rank what a user may take next, among all items."""

    run: Place = Field(..., description="Folder of a pre-training run on interactions.")
    history: list[str] = Field(
        default_factory=list,
        description="Items of a new user, such as 12,7,9, the latest one last.",
    )
    user: str | None = Field(None, min_length=1, description="A user of the run's own sources.")
    users: OptionalSource = Field(
        None, description="Events or sequences of users, such as those that the run was trained on."
    )
    count: int = Field(10, ge=1, le=10_000, description="Number of items for each user.")
    seen: Literal["auto", "remove", "keep"] = Field(
        "auto", description="Items of the history: auto does as the run's options say."
    )
    allow: OptionalSource = Field(
        None, description="File with the items that may be recommended, one in each line."
    )
    deny: OptionalSource = Field(
        None, description="File with items that may not be recommended, one in each line."
    )
    new_items: OptionalSource = Field(
        None,
        description="Table of items without events that may be recommended, too, by their titles, "
        "texts, categories and prices; its columns are found, or named with --column title=COLUMN.",
    )
    all_items: bool = Field(
        False, description="Also recommend items of the run's table of items without an event."
    )
    items_encoder: Places = Field(
        default_factory=list,
        description="Run or encoder that reads what is said of items, or their pictures, too; may "
        "be given several times.",
    )
    among: Literal["all", "known", "new"] = Field(
        "all", description="Rank all items, or only those with events, or only those without."
    )
    by: Literal["auto", "network", "both"] = Field(
        "auto",
        description="What ranks: the network, or both it and the simple alternatives beside it; "
        "auto is what the last `evaluate` preferred, which may be an alternative alone.",
    )
    reasons: bool = Field(
        False, description="Also name the items of the history that mattered most for each."
    )
    diversity: float = Field(
        0.0, ge=0, le=1, description="0 is the best list; towards 1 items of a list differ more."
    )
    out: OptionalPlace = Field(None, description="Write the rows to this .jsonl or .csv file.")
    overwrite: bool = Field(False, description=REPLACE)
