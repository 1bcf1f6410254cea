"""How recordings are read: what every part of the room is handed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import HeadstartError
from headstart.modalities.audio.decode import HIGHEST, LOWEST
from headstart.stored import read_json

#: The file of a processor in an encoder folder.
FILE = "audio.json"
#: Where a network of Transformers has its preprocessing.
PREPROCESSOR = "preprocessor_config.json"
#: Files of networks of others that say their rate, and how they call it there.
_STATED = {PREPROCESSOR: "sampling_rate", "config.json": "rate"}


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


def reading_of(folder: str | Path) -> Reading | None:
    """Return how an encoder of this library reads recordings; None where its folder has no note.

    Raises:
        HeadstartError: the note is damaged.
    """
    if not (Path(folder) / FILE).is_file():
        return None
    kept = read_json(Path(folder) / FILE, rate=int, trim=bool, seconds=float)
    _check_rate(kept["rate"], folder)
    return Reading(kept["rate"], kept.get("channel"), kept["trim"], kept["seconds"])


def stated_rate(folder: str | Path) -> int | None:
    """Return the rate that the network of a folder, or of a hub name, was made for, if it says.

    Raises:
        HeadstartError: no recording has such a rate.
    """
    for name, key in _STATED.items():
        file = _file(folder, name)
        try:
            rate = json.loads(file.read_text(encoding="utf-8"))[key] if file else None
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if isinstance(rate, int | float):
            _check_rate(rate, folder)
            return int(rate)
    return None


def _check_rate(rate: float, folder: str | Path) -> None:
    """Refuse a rate to which a recording would be stretched without end."""
    if isinstance(rate, bool) or not LOWEST <= rate <= HIGHEST or rate != int(rate):
        raise HeadstartError(
            f"{folder} reads {rate} samples a second, and whole numbers from {LOWEST:,} to "
            f"{HIGHEST:,} are possible; copy the folder again, or name another one."
        )


def _file(folder: str | Path, name: str) -> Path | None:
    if Path(folder).is_dir():
        return Path(folder) / name
    from transformers.utils import cached_file

    found = cached_file(
        str(folder),
        name,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return Path(found) if found else None
