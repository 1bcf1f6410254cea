"""Baselines of images know training and background images, and never the test images."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset, concatenate_datasets
from drawing import encoded
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from headstart.errors import HeadstartError
from headstart.modalities.image import baselines, patches
from headstart.modalities.image.baselines import image_baselines


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(patches, "CENTROIDS", 20)
    monkeypatch.setattr(patches, "PATCHES", 2000)
    monkeypatch.setattr(baselines, "JOINED", 40)


@pytest.fixture(scope="module")
def digits():
    drawn = load_digits()
    values = [
        {"bytes": encoded(Image.fromarray((15 * image).astype(np.uint8)).resize((24, 24)))}
        | {"path": None}
        for image in drawn.images[:460]
    ]
    names = [str(number) for number in range(len(values))]
    return Dataset.from_dict(
        {"id": names, "image": values, "label": drawn.target[:460].astype(str).tolist()}
    )


def part(records: Dataset, start: int, stop: int) -> Dataset:
    return records.select(range(start, stop))


def test_the_shape_of_a_picture_says_more_than_its_pixels(digits):
    train, test = part(digits, 0, 100), part(digits, 100, 400)
    found = image_baselines(None, train, test)
    assert [one.name for one in found] == [
        "HOG and colour",
        "HOG, colour and patches",
        "raw pixels",
    ]
    assert all(one.heads == ("logistic regression", "RBF SVM", "auto") for one in found)
    right = {}
    for one in found:
        assert one.train.dtype == one.test.dtype == np.float32
        assert (len(one.train), len(one.test)) == (100, 300)
        rule = LogisticRegression(max_iter=500).fit(one.train, train["label"])
        right[one.name] = rule.score(one.test, test["label"])
    assert right["HOG and colour"] > right["raw pixels"] > 0.7


def test_nothing_is_fitted_to_test_images(digits):
    train = part(digits, 0, 40)
    one = image_baselines(None, train, part(digits, 40, 60), seed=1)
    other = image_baselines(None, train, part(digits, 300, 330), seed=1)
    folds = image_baselines(None, train, None, seed=1)
    for here, there, alone in zip(one, other, folds, strict=True):
        assert np.array_equal(here.train, there.train)
        assert np.array_equal(here.train, alone.train)
        assert alone.test is None


def test_patches_are_also_cut_from_the_background_without_its_damaged_images(digits):
    train, test = part(digits, 0, 40), part(digits, 40, 50)
    damaged = Dataset.from_dict({"id": ["x"], "image": [{"bytes": b"no image", "path": None}]})
    background = part(digits, 100, 300).select_columns(["id", "image"])
    mixed = concatenate_datasets([background, damaged.cast(background.features)])
    alone, with_it = (image_baselines(each, train, test, seed=1) for each in (None, mixed))
    same = [
        np.array_equal(one.train, other.train) for one, other in zip(alone, with_it, strict=True)
    ]
    assert same == [True, False, True]


def test_a_record_is_described_alike_in_any_chunk_and_progress_is_shown(digits, monkeypatch):
    train = part(digits, 0, 30)
    calls = []
    whole = image_baselines(None, train, None)
    monkeypatch.setattr(baselines, "_CHUNK", 7)
    cut = image_baselines(None, train, None, progress=lambda done, of: calls.append((done, of)))
    assert calls == [(7, 30), (14, 30), (21, 30), (28, 30), (30, 30)]
    for one, other in zip(whole, cut, strict=True):
        assert one.train == pytest.approx(other.train, abs=1e-3)


def test_a_single_even_picture_has_features(digits):
    plain = {"bytes": encoded(Image.new("RGB", (200, 90), "red")), "path": None}
    records = Dataset.from_dict({"id": ["a", "b"], "image": [plain] * 2, "label": ["x", "y"]})
    for one in image_baselines(None, records, None):
        assert np.isfinite(one.train).all()


def test_a_damaged_labeled_picture_is_named():
    bad = Dataset.from_dict({"id": ["torn"], "image": [{"bytes": b"no image", "path": None}]})
    with pytest.raises(HeadstartError, match="torn"):
        image_baselines(None, bad, None)
