"""The options of recordings: their rate, their channel, and how long ones are read."""

from __future__ import annotations

from pydantic import Field, field_validator

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
    # What training alone reads does not stand in the note of an encoder (``exclude``).
    noise: str | None = Field(
        None,
        exclude=True,
        description="A folder of recordings that views mix in as noise, instead of white noise; "
        "up to a minute of each, 30 minutes in all.",
    )
    snr: tuple[float, float] = Field(
        (0.0, 20.0),
        exclude=True,
        description="Range of how far the noise of audio.noise is below a recording, in dB; what "
        "is drawn is even between the two.",
    )

    @field_validator("snr")
    @classmethod
    def _rising(cls, snr: tuple[float, float]) -> tuple[float, float]:
        if not -30 <= snr[0] <= snr[1] <= 60:
            raise ValueError("two numbers from -30 to 60, the lower one first")
        return snr
