"""How recordings are read: what every part of the room is handed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reading:
    """How recordings are read.

    Attributes:
        rate: samples a second.
        channel: the channel, from 1; None mixes all.
        trim: whether silence at both ends is left out.
        seconds: most of a recording that is read at once.
    """

    rate: int
    channel: int | None = None
    trim: bool = False
    seconds: float = 30.0

    @property
    def how(self) -> tuple[Any, ...]:
        """The arguments of :data:`headstart.modalities.audio.clips.CLIPS`."""
        return self.rate, self.channel, self.trim, self.seconds
