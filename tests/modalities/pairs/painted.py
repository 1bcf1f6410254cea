"""Small pictures with captions: squares and bars of a colour, on a ground of another."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from PIL import Image

from headstart.config import SourceOptions
from headstart.data.audit import Audit
from headstart.modalities.pairs.modality import PairsModality

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 60), "blue": (40, 60, 220), "grey": (128,) * 3}
SHAPES = ("square", "bar", "pole", "frame")
SIDE = 16


def picture(colour: str, shape: str, seed: int = 0) -> bytes:
    """Return a PNG of a shape, which another seed moves a little and speckles."""
    rng = np.random.default_rng(seed)
    grid = np.full((SIDE, SIDE, 3), 240) + rng.integers(-10, 10, (SIDE, SIDE, 3))
    x, y = rng.integers(0, 3, 2)
    box = {
        "square": (slice(4 + x, 10 + x), slice(4 + y, 10 + y)),
        "bar": (slice(6 + x, 9 + x), slice(1, 15)),
        "pole": (slice(1, 15), slice(6 + y, 9 + y)),
        "frame": (slice(2 + x, 13 + x), slice(2 + y, 13 + y)),
    }[shape]
    inside = grid[box[0].start + 2 : box[0].stop - 2, box[1].start + 2 : box[1].stop - 2].copy()
    grid[box] = COLOURS[colour]
    if shape == "frame":
        grid[box[0].start + 2 : box[0].stop - 2, box[1].start + 2 : box[1].stop - 2] = inside
    held = io.BytesIO()
    Image.fromarray(grid.clip(0, 255).astype(np.uint8)).save(held, format="PNG")
    return held.getvalue()


def painted(count: int, first: int = 0) -> list[tuple[bytes, str]]:
    """Return pictures with their captions, of all colours and shapes in turn."""
    found = []
    for number in range(first, first + count):
        colour = list(COLOURS)[number % 4]
        shape = SHAPES[number // 4 % 4]
        found.append((picture(colour, shape, number), f"a {colour} {shape}"))
    return found


def table(folder: Path, pairs: Sequence[tuple[bytes, str]], name: str = "pairs.csv") -> Path:
    """Write pictures, and beside them a table of their names and captions."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = name.partition(".")[0]
    with open(folder / name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "caption"])
        for number, (data, caption) in enumerate(pairs):
            (folder / f"{stem}{number:03}.png").write_bytes(data)
            writer.writerow([f"{stem}{number:03}.png", caption])
    return folder / name


def records(*sources: Path | str, audit: Audit | None = None, **options: Any) -> Dataset:
    """Read pictures with captions as a training does."""
    audit = Audit() if audit is None else audit
    return PairsModality().read([str(each) for each in sources], SourceOptions(**options), audit)
