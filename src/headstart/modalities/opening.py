"""Opening the processor that lies with an encoder."""

from __future__ import annotations

import json
from pathlib import Path

from headstart.modalities import MODALITIES, Modality, Processor


def open_modality(name: str) -> Modality:
    """Return a modality by name; an unknown one is a :class:`headstart.errors.HeadstartError`."""
    modality: Modality = MODALITIES[name]()
    return modality


def open_processor(folder: str | Path) -> Processor:
    """Reopen the processor of an encoder folder; a foreign folder is taken for text."""
    note = Path(folder) / "headstart.json"
    name = json.loads(note.read_text()).get("modality", "text") if note.is_file() else "text"
    return open_modality(name).load(folder)
