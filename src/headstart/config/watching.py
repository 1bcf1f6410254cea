"""Options of ``monitor`` and ``update``."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from headstart.config.models import REPLACE
from headstart.config.options import AutoBudgetText, OptionalSource, SourceOptions, Sources
from headstart.config.places import OptionalPlace, Place

#: Periods that new records are divided into.
Period = Literal["all", "hour", "day", "week", "month"]


class MonitorConfig(SourceOptions):
    """Say whether new data is still what a run was made for, and what has moved."""

    run: Place = Field(..., description="Run folder, or any encoder folder.")
    baseline: Sources = Field(
        ..., min_length=1, description="Data that is as it should be: files, folders or globs."
    )
    new: Sources = Field(..., min_length=1, description="Data to look at, alike.")
    every: Period = Field("all", description="Divide the new data by its times; all is one window.")
    time_column: str | None = Field(
        None,
        min_length=1,
        description="Column of dates for --every; found where it is obvious.",
    )
    windows: int = Field(
        100,
        ge=1,
        le=10_000,
        description="Windows of the whole watch: in all of them together a false alarm has a "
        "chance of 5%.",
    )
    least: int = Field(30, ge=10, description="Of windows with fewer records nothing is said.")
    sample: int = Field(1000, ge=50, le=5000, description="Most records of either side of a test.")
    count: int = Field(8, ge=0, le=100, description="Records to show that are most foreign.")
    webhook: str | None = Field(
        None, description="Address (http or https) that is told as JSON if there is a drift."
    )
    seed: int = Field(0, ge=0, description="Draws samples and permutations.")
    out: OptionalPlace = Field(None, description="Also write a page (.html) or figures (.json).")
    overwrite: bool = Field(False, description=REPLACE)

    @field_validator("webhook")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("it must be an address such as https://example.com/hook")
        return value

    @model_validator(mode="after")
    def _by_time(self) -> Self:
        if self.time_column is not None and self.every == "all":
            raise ValueError("time_column needs --every; add that, or leave it out")
        return self

    def dividing(self) -> dict[str, str | None]:
        """Return the column of times, where the records are divided by it."""
        return {} if self.every == "all" else {"time": self.time_column}

    def undivided(self) -> Self:
        """Return the options for records that are not divided."""
        return self.model_copy(update={"every": "all", "time_column": None})


class UpdateConfig(SourceOptions):
    """Learn from new data, and take the result only if nothing gets worse."""

    run: Place = Field(..., description="Folder of a fine-tuned run, or of a pre-training.")
    new: OptionalSource = Field(
        None, description="New records, labeled for a fine-tuned run; a part of them is tested."
    )
    held_out: OptionalSource = Field(
        None,
        description="Records of before that the run has not learned from; by default those of its "
        "--val, and of earlier updates.",
    )
    replay: float = Field(
        1.0, ge=0, le=100, description="Earlier records to learn from again, for each new one."
    )
    anchor: float | None = Field(
        None,
        ge=0,
        le=1000,
        description="Strength of the pull towards the weights of before, of a pre-training; by "
        "default that of its safeguards. 0: none.",
    )
    tested_share: float = Field(
        0.2, gt=0, lt=1, description="Share of the new records that is held out and tested."
    )
    index: OptionalPlace = Field(
        None, description="Index of `headstart index` to embed anew before the change counts."
    )
    budget: AutoBudgetText = Field("auto", description="How long; auto depends on the records.")
    discard: bool = Field(False, description="Give up an update with other data that was begun.")
    history: bool = Field(False, description="List the versions, and change nothing.")
    rollback: int | None = Field(None, ge=1, description="Go back to this version.")
    seed: int = Field(0, ge=0, description="Everything random follows from this number.")

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if [self.new is not None, self.history, self.rollback is not None].count(True) != 1:
            raise ValueError("give one of new, history and rollback")
        return self
