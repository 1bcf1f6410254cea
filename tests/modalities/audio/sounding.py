"""Small sounds for the tests of recordings: tones that glide, in any format."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from datasets import Dataset

from headstart.config import SourceOptions
from headstart.data.audit import Audit
from headstart.modalities.audio.content import AUDIO
from headstart.modalities.audio.modality import AudioModality

RATE = 8000


def tone(seed: int = 0, seconds: float = 0.4, rate: int = RATE) -> np.ndarray:
    """Return samples (S,): two gliding tones with a little noise, another for each seed."""
    rng = np.random.default_rng(seed)
    at = np.arange(round(seconds * rate)) / rate
    start, end = rng.uniform(200, 1200, (2, 2))
    glide = np.exp(rng.uniform(-1, 1) * at / seconds)
    waves = [
        np.sin(2 * np.pi * (a * at + (b - a) * at**2 / seconds / 2))
        for a, b in zip(start, end, strict=True)
    ]
    found = sum(waves) * glide + 0.01 * rng.standard_normal(len(at))
    return (0.3 * found / np.abs(found).max()).astype(np.float32)


def encoded(samples: np.ndarray, rate: int = RATE, **how: Any) -> bytes:
    """Return samples (S,) or (S,C) as the bytes of a file, a WAV of 16 bits by default."""
    held = io.BytesIO()
    soundfile.write(held, samples, rate, **{"format": "WAV", **how})
    return held.getvalue()


def value(data: bytes) -> dict[str, Any]:
    return {"bytes": data, "path": None}


def held(*files: bytes) -> Dataset:
    """Return recordings that are in memory, with the numbers from 0 on as their names."""
    rows = [{"id": str(n), "audio": value(data)} for n, data in enumerate(files)]
    return Dataset.from_list(rows, features=_features())


def _features() -> Any:
    from datasets import Features, Value

    return Features(
        {"id": Value("string"), "audio": {"bytes": Value("binary"), "path": Value("string")}}
    )


def records(*sources: Path | str, audit: Audit | None = None, **options: Any) -> Dataset:
    """Read sources as recordings."""
    return AudioModality().read(list(map(str, sources)), SourceOptions(**options), audit or Audit())


def write(path: Path, seed: int = 0, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(tone(seed), **how))
    return path


__all__ = ["AUDIO", "RATE", "encoded", "held", "records", "tone", "value", "write"]
