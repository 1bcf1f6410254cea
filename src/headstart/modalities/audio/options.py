"""The options of recordings: their rate, their channel, and how long ones are read."""

from __future__ import annotations

from pydantic import Field

from headstart.config import Options


class AudioOptions(Options):
    """Options of recordings, for ``--set audio.KEY=VALUE``."""

    rate: int | None = Field(
        None,
        ge=4000,
        le=48000,
        description="Samples a second at which recordings are read; by default those that most "
        "files have, and 16,000 at most.",
    )
    channel: int | None = Field(
        None,
        ge=1,
        le=64,
        description="The channel that is read, from 1; by default all are mixed to one.",
    )
    trim: bool = Field(
        False, description="Leave out the silence at the beginning and the end of a recording."
    )
    seconds: float = Field(
        30.0,
        ge=1,
        le=600,
        description="Seconds from the beginning of a recording that are read to embed, predict and "
        "fine-tune; pre-training reads all of it, in pieces.",
    )
    overlap: float = Field(
        0.25,
        ge=0,
        le=0.9,
        description="Share of a piece of a long recording that the next piece repeats, in "
        "pre-training.",
    )
