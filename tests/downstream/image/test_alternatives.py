"""Detection and segmentation without a network find what a network must find better."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset
from scenery import draw, tiny_conv

from headstart.config import FinetuneConfig
from headstart.data.audit import Audit
from headstart.downstream.image.detection import Detection
from headstart.downstream.image.segmentation import Segmentation
from headstart.downstream.image.simple_detection import detect_simply
from headstart.downstream.image.superpixels import described, superpixels
from headstart.downstream.image.windows import Described, grid, moved, offsets, overlaps
from headstart.modalities.image.annotations import read_boxes, read_masks

CONFIG = FinetuneConfig(run="run", train="train", out="out", tracker="none")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return [
        draw(folder / name, count, seed)
        for seed, (name, count) in enumerate({"train": 24, "held": 8}.items())
    ]


def test_windows_find_squares_and_discs(folders):
    train, held = (read_boxes(str(folder / "boxes.jsonl"), Audit()) for folder in folders)
    ((name, scores),) = Detection.build(tiny_conv(), train, CONFIG).alternatives(train, held)
    assert name == "windows of HOG and colour"
    assert scores.keys() == {"map", "map50"}
    assert scores["map50"] > 0.8
    assert scores["map"] > 0.4


def test_superpixels_find_squares_and_discs(folders):
    train, held = (read_masks(str(folder), Audit()) for folder in folders)
    ((name, scores),) = Segmentation.build(tiny_conv(), train, CONFIG).alternatives(train, held)
    assert name == "superpixels of colour and texture"
    assert scores.keys() == {"miou"}
    assert scores["miou"] > 0.9


def test_boxes_are_in_the_picture_and_pictures_without_objects_may_be_learned_from(folders):
    train, held = (read_boxes(str(folder / "boxes.jsonl"), Audit()) for folder in folders)
    without = [[] if index % 3 else boxes for index, boxes in enumerate(train["boxes"])]
    empty = Dataset.from_dict({**train[:], "boxes": without}, features=train.features)
    head = Detection.build(tiny_conv(), train, CONFIG)
    rows = [head.rows(None, records, 64) for records in (empty, held)]
    found = detect_simply(*rows, len(head.labels))
    assert len(found) == len(held)
    for one in found:
        assert len(one["boxes"]) == len(one["scores"]) == len(one["labels"])
        assert (one["boxes"] >= 0).all()
        assert (one["boxes"] <= torch.tensor([96, 72, 96, 72])).all()


def test_a_superpixel_has_one_colour_and_stays_in_its_neighbourhood():
    image = torch.zeros(3, 40, 50, dtype=torch.uint8)
    image[0, :, 23:] = 255
    pieces = superpixels(image)
    assert set(np.unique(pieces)) == set(range(pieces.max() + 1))
    for number in range(pieces.max() + 1):
        inside = pieces == number
        assert len(np.unique(image[0].numpy()[inside])) == 1
        assert all(np.ptp(axis) < 20 for axis in np.nonzero(inside))
    features = described(image, pieces)
    assert np.isfinite(features).all()
    number = pieces[20, 40]
    assert features[number, :3] == pytest.approx([1, 0, 0])


def test_a_window_is_described_by_the_means_of_its_cells():
    random = np.random.default_rng(0)
    image = torch.from_numpy(random.integers(0, 256, (3, 48, 60), dtype=np.uint8))
    features = Described(image)(np.array([[16.0, 12.0, 32.0, 28.0]]))[0]
    colours = features[36 * 9 : 36 * 12].reshape(6, 6, 3)
    for row in range(6):
        for column in range(6):
            top, left = 12 + 4 * (row - 1), 16 + 4 * (column - 1)
            cell = image[:, top : top + 4, left : left + 4].float() / 255
            assert colours[row, column] == pytest.approx(cell.mean((1, 2)).numpy(), abs=1e-5)


def test_windows_cover_the_picture_and_moves_lead_to_the_boxes():
    windows = grid(40, 60, np.array([[20.0, 10.0], [100.0, 30.0]]))
    assert windows[:, :2].min() == 0
    assert windows[:, 2].max() >= 60
    boxes = np.array([[3.0, 4.0, 33.0, 24.0]]).repeat(len(windows), 0)
    close = overlaps(windows, boxes[:1])[:, 0] > 0.3
    assert close.any()
    back = moved(windows[close], offsets(windows[close], boxes[close]), 40, 60)
    assert back == pytest.approx(boxes[close])


def test_overlaps_are_intersection_over_union():
    one, other = np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 15, 10], [20, 20, 30, 30]])
    assert overlaps(one, other) == pytest.approx(np.array([[1 / 3, 0]]))
