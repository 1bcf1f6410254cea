from __future__ import annotations

import io

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image

from headstart.errors import HeadstartError
from headstart.evaluation.corruptions import corrupt, requested
from headstart.modalities.image.modality import ImageModality
from headstart.modalities.text.modality import TextModality

TEXTS, IMAGES = TextModality(), ImageModality()
TEXT = "How do I locate my card? It has not arrived, although I ordered it three weeks ago. " * 5


def texts() -> Dataset:
    return Dataset.from_dict({"id": ["1", "2"], "text": [TEXT, TEXT], "label": ["a", "b"]})


def images(side: int = 40) -> Dataset:
    ramp = np.linspace(0, 200, side).astype(np.uint8)
    pixels = np.stack([np.tile(ramp, (side, 1))] * 3, axis=-1)
    pixels[::4] //= 2
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    rows = {"id": ["1"], "image": [{"bytes": file.getvalue(), "path": None}], "label": ["a"]}
    from datasets import Features, Value

    kinds = {"bytes": Value("binary"), "path": Value("string")}
    return Dataset.from_dict(
        rows, features=Features(id=Value("string"), image=kinds, label=Value("string"))
    )


def pixels_of(records: Dataset) -> np.ndarray:
    with Image.open(io.BytesIO(records[0]["image"]["bytes"])) as image:
        return np.asarray(image).astype(float)


def distance(one: str, other: str) -> int:
    """Return Levenshtein's distance."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


@pytest.mark.parametrize("name", ["typos", "whitespace"])
def test_a_higher_severity_changes_more_of_a_text(name) -> None:
    found = [corrupt(texts(), TEXTS, name, severity, 0)["text"] for severity in (1, 2, 3)]
    changes = [distance(TEXT, both[0]) for both in found]
    assert 0 < changes[0] < changes[1] < changes[2] < 0.3 * len(TEXT)
    assert found[0][0] != found[0][1], "records are corrupted each in its own way"


def test_case_alone_changes_with_case() -> None:
    for severity in (1, 2, 3):
        text = corrupt(texts(), TEXTS, "case", severity, 0)["text"][0]
        assert text != TEXT
        assert text.lower() == TEXT.lower()


@pytest.mark.parametrize("name", list(IMAGES.corruptions))
def test_a_higher_severity_changes_more_of_an_image(name) -> None:
    clean = IMAGES.as_seen(images(), 40)
    errors = [
        np.abs(pixels_of(corrupt(clean, IMAGES, name, severity, 0)) - pixels_of(clean)).mean()
        for severity in (1, 2, 3)
    ]
    assert 0 < errors[0] < errors[1] < errors[2] < 128


def test_squares_are_what_the_encoder_sees() -> None:
    assert pixels_of(IMAGES.as_seen(images(40), 16)).shape == (16, 16, 3)
    np.testing.assert_array_equal(pixels_of(IMAGES.as_seen(images(40), 40)), pixels_of(images(40)))


def test_texts_are_seen_as_they_are_and_never_lose_all_letters() -> None:
    assert TEXTS.as_seen(texts(), 16)["text"][:] == [TEXT, TEXT]
    short = Dataset.from_dict({"id": list("abc") * 40, "text": ["a"] * 120})
    for name in TEXTS.corruptions:
        assert all(corrupt(short, TEXTS, name, 3, 0)["text"])


def test_the_seed_decides_and_all_else_stays() -> None:
    once, again = (corrupt(texts(), TEXTS, "typos", 2, 0) for _ in range(2))
    assert once["text"][:] == again["text"][:]
    assert once["text"][:] != corrupt(texts(), TEXTS, "typos", 2, 1)["text"][:]
    assert once["label"][:] == ["a", "b"]
    assert once.features == texts().features


def test_names_are_checked() -> None:
    assert requested(["off"], TEXTS) == []
    assert requested(["auto"], IMAGES) == ["noise", "blur", "jpeg", "brightness"]
    assert requested(["case"], TEXTS) == ["case"]
    with pytest.raises(HeadstartError, match=r"no 'typo' for texts.*'typos'"):
        requested(["typo"], TEXTS)
