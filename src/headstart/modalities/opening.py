"""Opening a modality by name, by what the sources hold, or by the encoder it lies with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.modalities import MODALITIES, Modality, Processor
from headstart.modalities.guess import guess_content

if TYPE_CHECKING:
    from headstart.config import PretrainConfig


def open_modality(name: str) -> Modality:
    """Return a modality by name; an unknown one is a :class:`headstart.errors.HeadstartError`."""
    modality: Modality = MODALITIES[name]()
    return modality


def modality_of(config: PretrainConfig) -> str:
    """Return the modality that the user named, or the one that the sources are of."""
    return guess_content(config.sources) if config.modality == "auto" else config.modality


def open_processor(folder: str | Path) -> Processor:
    """Reopen the processor of an encoder folder; a foreign folder is taken for text."""
    note = Path(folder) / "headstart.json"
    name = json.loads(note.read_text()).get("modality", "text") if note.is_file() else "text"
    return open_modality(name).load(folder)
