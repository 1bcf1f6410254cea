"""Repeated pictures are counted, and near ones found across two sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from drawing import draw, encoded, records
from PIL import Image

from headstart.data import same_pictures
from headstart.data.audit import Audit
from headstart.data.same_pictures import near_overlap


def scene(seed: int) -> Image.Image:
    """Return a picture with a few large patches, as photographs have."""
    patches = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((64, 64), Image.Resampling.BICUBIC)


def held(**images: Image.Image | bytes) -> Dataset:
    values = [
        {"bytes": image if isinstance(image, bytes) else encoded(image), "path": None}
        for image in images.values()
    ]
    return Dataset.from_dict({"id": list(images), "image": values})


def test_recompressed_and_resized_pictures_are_found_and_others_are_not() -> None:
    background = held(**{f"b{n}": scene(n) for n in range(40)}, bad=b"no picture")
    test = held(
        same=scene(3),
        small=scene(7).resize((32, 32)),
        lossy=encoded(scene(11), "JPEG", quality=40),
        bright=scene(12).point(lambda level: min(255, level + 8)),
        flipped=scene(13).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        **{f"new{n}": scene(n) for n in range(100, 130)},
        broken=b"",
    )
    assert near_overlap(background, test) == [
        ("same", "b3"),
        ("small", "b7"),
        ("lossy", "b11"),
        ("bright", "b12"),
    ]


def test_nothing_overlaps_nothing() -> None:
    assert near_overlap(held(a=scene(1)), held(b=b"x")) == []
    assert near_overlap(held(b=b"x"), held(a=scene(1))) == []


def test_only_so_many_of_the_background_are_compared() -> None:
    background = held(**{f"b{n}": scene(n) for n in range(40)})
    assert near_overlap(background, held(a=scene(39), b=scene(1)), most=2) == [("a", "b39")]


def test_what_was_not_looked_at_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        draw(tmp_path / f"{number}.png", number % 2)
    monkeypatch.setattr(same_pictures, "MOST_FILES", 4)
    audit = Audit()
    records(tmp_path, audit=audit)
    assert audit.duplicates == 2
    assert "first 4 of 10 pictures" in audit.notes[0]
    assert audit.summary()["notes"] == audit.notes


def test_pictures_of_different_sizes_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        draw(tmp_path / f"{number}.png", size=(number + 1, 9))
    opened: list[Any] = []
    monkeypatch.setattr(same_pictures, "_content", lambda value: opened.append(value))
    records(tmp_path)
    assert opened == []


def test_real_pictures_overlap_little_and_rightly(shared_data: Any) -> None:
    path = shared_data("cifar10") / "cifar10_jpeg.npz"
    found = records(f"{path}#test")
    one, other = found.select(range(0, 10_000, 2)), found.select(range(1, 10_000, 2))
    labels = dict(zip(found["id"], found["label"], strict=True))
    pairs = near_overlap(one, other)
    assert 2 <= len(pairs) <= 100
    assert all(labels[a] == labels[b] for a, b in pairs)
