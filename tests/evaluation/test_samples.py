from __future__ import annotations

import io

import numpy as np
import pytest
from datasets import Dataset
from made import made_images, made_texts
from PIL import Image

from headstart.evaluation.projection import flat_map, nearest
from headstart.evaluation.samples import Samples
from headstart.modalities import Preview
from headstart.modalities.text.modality import LETTERS
from headstart.pages.markup import cut

CLASSES = ["cats", "dogs"]


def test_a_sample_is_rising_seeded_and_never_too_large() -> None:
    samples, _ = made_texts(CLASSES, 50)
    indices = samples.sample(20)
    assert len(indices) == len(set(indices.tolist())) == 20
    assert (np.diff(indices) > 0).all()
    assert (samples.sample(20) == indices).all()
    other = Samples(samples.records, samples.vectors, samples.modality, seed=1)
    assert (other.sample(20) != indices).any()
    assert samples.sample(99).tolist() == list(range(50))


def test_texts_are_previewed_with_their_label_and_cut() -> None:
    samples, _ = made_texts(CLASSES, 4)
    first, second = samples.previews([2, 1], max_bytes=0)
    assert first.text.startswith("text 2 about cats")
    assert (first.label, second.label) == ("cats", "dogs")
    assert cut("a  b\n" * 500, LETTERS).startswith("a b a b")
    assert len(cut("a  b\n" * 500, LETTERS)) == LETTERS
    assert first.address == ""


def test_images_are_thumbnails_within_the_limit_of_bytes() -> None:
    samples, _ = made_images(["a", "b"], 6, 64)
    (preview,) = samples.previews([3], max_bytes=100_000, side=40)
    image = Image.open(io.BytesIO(preview.image))
    assert (image.format, image.size) == ("WEBP", (40, 40))
    assert preview.address.startswith("data:image/webp;base64,")
    many = samples.previews(range(6), max_bytes=6 * 500)
    sides = {Image.open(io.BytesIO(preview.image)).size for preview in many}
    assert sum(len(preview.image) for preview in many) <= 6 * 500
    assert len(sides) == 1
    assert max(sides) < (48, 48)
    assert [preview.image for preview in samples.previews(range(6), max_bytes=10)] == [b""] * 6


def test_only_smaller_thumbnails_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, _ = made_images(["a"], 3, 64)
    preview, tried = samples.modality.preview, []

    def spied(records: Dataset, side: int) -> list[Preview]:
        tried.append(side)
        return preview(records, side)

    monkeypatch.setattr(samples.modality, "preview", spied)
    samples.previews(range(3), max_bytes=10, side=32)
    assert tried == [32, 24, 16]


def test_images_differ_where_the_records_do() -> None:
    samples, _ = made_images(["a"], 3, 32)
    assert len({preview.image for preview in samples.previews(range(3), max_bytes=100_000)}) == 3


def test_the_nearest_are_those_of_the_largest_cosine_whatever_the_length() -> None:
    vectors = np.array([[1, 0], [10, 1], [0, 1], [0.1, 0.09], [-1, 0]], dtype=np.float32)
    indices, cosines = nearest(vectors, np.array([0, 2]), 3)
    assert indices.tolist() == [[1, 3, 2], [3, 1, 0]]
    assert np.allclose(cosines[0, 0], 10 / np.sqrt(101))


def test_what_is_near_stays_near_on_the_map() -> None:
    samples, truth = made_texts(["a", "b", "c"], 90)
    flat = flat_map(samples.vectors, 0)
    assert flat.shape == (90, 2)
    assert flat.min() == 0
    assert flat.max() == 1
    far = np.linalg.norm(flat[:, None] - flat, axis=2)
    same = truth[:, None] == truth
    assert far[same].mean() < 0.5 * far[~same].mean()


def test_records_that_are_all_alike_make_a_map_too() -> None:
    assert np.isfinite(flat_map(np.ones((20, 4)), 0)).all()
