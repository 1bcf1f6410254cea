"""Repeated pictures are counted, and near ones found within a set and across two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from drawing import draw, encoded, records
from PIL import Image, ImageFilter

from headstart.data.audit import Audit
from headstart.data.groups import grouping
from headstart.data.overlap import overlap
from headstart.modalities import file_values
from headstart.modalities.image import near as same_images
from headstart.modalities.image.content import IMAGE
from headstart.modalities.image.near import digests, matches, near_pairs, near_repeats

needs_library = pytest.mark.skipif(
    not same_images.available(), reason="ImageHash is not installed (extra `audit`)"
)


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


def scenes(*seeds: int) -> dict[str, Image.Image]:
    return {f"b{seed}": scene(seed) for seed in seeds}


@needs_library
def test_edited_pictures_are_found_and_others_are_not() -> None:
    background = held(**scenes(*range(40)), bad=b"no picture")
    test = held(
        same=scene(3),
        small=scene(7).resize((32, 32)),
        lossy=encoded(scene(11), "JPEG", quality=40),
        bright=scene(12).point(lambda level: min(255, round(level * 1.1))),
        grey=scene(14).convert("L"),
        blurred=scene(15).filter(ImageFilter.GaussianBlur(2)),
        flipped=scene(13).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        **{f"new{n}": scene(n) for n in range(100, 130)},
        broken=b"",
    )
    found = overlap(background, test, IMAGE)
    assert (found.exact, found.near) == (1, 5)
    assert found.examples == [
        ("same", "b3"),
        ("small", "b7"),
        ("lossy", "b11"),
        ("bright", "b12"),
        ("grey", "b14"),
        ("blurred", "b15"),
    ]
    assert found.indices.tolist() == [3, 7, 11, 12, 14, 15]
    assert found.sentences()[0].startswith("1 of 38 test pictures also occurs")
    assert "5 more are nearly like one there" in found.sentences()[0]


@needs_library
def test_repeats_within_a_set_are_paired_with_the_earlier_one() -> None:
    images = held(
        **scenes(*range(20)), x=encoded(scene(4), "JPEG", quality=50), bad=b"", y=scene(9)
    )
    audit = Audit()
    assert near_repeats(images, audit) == [(20, 4), (22, 9)]
    assert audit.notes == []


@needs_library
def test_plain_pictures_are_not_all_the_same() -> None:
    plain = {f"p{level}": Image.new("RGB", (16, 16), (level,) * 3) for level in range(0, 250, 25)}
    assert near_repeats(held(**plain), Audit()) == []


@needs_library
def test_nothing_overlaps_nothing() -> None:
    assert list(matches(held(a=scene(1)), held(b=b"x"), [])) == []
    assert list(matches(held(b=b"x"), held(a=scene(1)), [])) == []


@needs_library
def test_only_so_many_of_the_background_are_compared_which_is_noted() -> None:
    notes: list[str] = []
    lossy = {f"t{seed}": encoded(scene(seed), "JPEG") for seed in (39, 1)}
    found = list(matches(held(**scenes(*range(40))), held(**lossy), notes, most=2))
    assert found == [(39, 0, False)]
    assert "2 of the 40 pictures" in notes[0]


def test_without_the_library_the_same_bytes_are_found_and_a_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(same_images, "available", lambda: False)
    notes: list[str] = []
    test = held(same=scene(3), near=scene(4).resize((32, 32)))
    assert list(matches(held(**scenes(*range(6))), test, notes)) == [(3, 0, True)]
    assert notes == [same_images.MISSING]


def test_digests_tell_bytes_apart() -> None:
    one, two, three = digests(held(a=scene(1), b=scene(2), c=scene(1)))
    assert one == three != two


def test_what_was_not_looked_at_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        draw(tmp_path / f"{number}.png", number % 2)
    monkeypatch.setattr(file_values, "MOST_FILES", 4)
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
    monkeypatch.setattr(file_values, "content", lambda value: opened.append(value))
    records(tmp_path)
    assert opened == []


@needs_library
def test_real_pictures_overlap_little_and_rightly(shared_data: Callable[[str], Path]) -> None:
    path = shared_data("cifar10") / "cifar10_jpeg.npz"
    found = records(f"{path}#test").select(range(0, 10_000, 4))
    labels = found["label"][:]
    pairs = near_repeats(found, Audit())
    assert len(pairs) <= 20
    assert all(labels[a] == labels[b] for a, b in pairs)


@needs_library
def test_edited_copies_are_in_one_group() -> None:
    copies = held(
        **scenes(*range(20)),
        same=scene(3),
        lossy=encoded(scene(3), "JPEG", quality=40),
        grey=scene(14).convert("L"),
        bad=b"no picture",
    )
    notes: list[str] = []
    groups = grouping(copies, IMAGE, notes, where="photos")
    assert groups is not None
    assert groups[3] == groups[20] == groups[21]
    assert groups[14] == groups[22]
    assert len(set(groups)) == 21
    assert notes == [
        "photos: 5 of 24 pictures are copies or near copies of others; these stay on one side of "
        "every split."
    ]


def test_of_very_many_pictures_a_sample_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same_images, "MOST_SPLIT", 5)
    notes: list[str] = []
    near_pairs(held(**scenes(*range(10))), notes)
    assert notes in (
        ["Near duplicates were looked for among 5 of 10 pictures."],
        [same_images.MISSING],
    )
