"""Waves as the series of a sensor, and tables of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tests" / "packages" / "headstart_sensors"
LENGTH = 64
#: What all trainings here have in common.
QUICK = {"tracker": "none", "precision": "fp32", "batch_size": 32}
SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sine": np.sin,
    "square": lambda angle: np.sign(np.sin(angle)),
    "saw": lambda angle: (angle / np.pi) % 2 - 1,
}


def waves(rng: np.random.Generator, count: int) -> list[tuple[str, np.ndarray]]:
    """Draw noisy waves of three shapes, at any phase and of several frequencies."""
    names = [list(SHAPES)[index % len(SHAPES)] for index in range(count)]
    along = np.linspace(0, 1, LENGTH)
    return [
        (name, SHAPES[name](2 * np.pi * (rng.uniform(2, 5) * along + rng.uniform())))
        for name in names
    ]


def text_of(series: np.ndarray) -> str:
    return " ".join(f"{reading:.4f}" for reading in series)


def table(path: Path, rows: list[tuple[str, np.ndarray]], labeled: bool = True) -> str:
    lines = ["readings,label" if labeled else "readings"]
    lines += [text_of(series) + (f",{name}" if labeled else "") for name, series in rows]
    path.write_text("\n".join(lines) + "\n")
    return str(path)
