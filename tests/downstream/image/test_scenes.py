"""What is drawn on a picture goes where the picture goes, in every view, and back again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scenery import draw

from headstart.data.audit import Audit
from headstart.downstream.image.scenes import (
    LEFT,
    MULTIPLE,
    PADDING,
    Scenes,
    View,
    at_random,
    side_for,
    views_of,
)
from headstart.errors import HeadstartError
from headstart.modalities.image.annotations import read_boxes

DRAWS = [(0.0, 0.0, 0.0, 0.9), (0.99, 0.3, 0.8, 0.1), (0.7, 0.99, 0.0, 0.1), (0.5, 0.5, 0.5, 0.6)]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return read_boxes(str(draw(tmp_path_factory.mktemp("scenes"), 6) / "boxes.jsonl"), Audit())


@pytest.mark.parametrize("draws", DRAWS)
def test_a_box_lies_where_its_object_is_seen(draws):
    image = torch.zeros(3, 60, 80, dtype=torch.uint8)
    image[:, 21:41, 31:47] = 255
    view = View.drawn((60, 80), 80, draws)
    ((box,), (kept,)) = view.boxes(torch.tensor([[31.0, 21, 47, 41]]))
    seen = view.image(image)
    assert tuple(seen.shape[1:]) == view.window
    rows, columns = np.nonzero(seen[0].numpy() > 127)
    assert kept
    edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert box.tolist() == pytest.approx([float(edge) for edge in edges], abs=1.01)
    assert (view.mask(image[0])[rows, columns] == 255).all()


@pytest.mark.parametrize("draws", [DRAWS[0], DRAWS[3], (0.2, 0.0, 0.0, 0.1)])
def test_boxes_come_back_to_the_native_picture(draws):
    view = View.drawn((300, 400), 80, draws)
    boxes = torch.tensor([[120.0, 80, 200, 160], [180.0, 130, 220, 170]])
    seen, kept = view.boxes(boxes)
    assert kept.all()
    assert torch.allclose(view.native_boxes(seen), boxes, atol=1e-3)


def test_a_box_of_which_little_is_left_is_not_seen():
    view = View((60, 80), (60, 80), (0, 40), (60, 40))
    width = 20
    edges = [40 - width * (1 - LEFT) + shift for shift in (-1, 1)]
    boxes = torch.tensor([[left, 0, left + width, 20.0] for left in edges])
    seen, kept = view.boxes(boxes)
    assert kept.tolist() == [False, True]
    assert (seen[:, 0] == 0).all()


def test_plain_rows_show_everything_and_pad_with_grey(records):
    batch = Scenes(records, 48).batch(np.array([2, 0]), 0)
    assert batch["pixels"].shape == (2, 3, 64, 64)
    assert batch["pixels"].dtype == torch.uint8
    assert batch["window"].tolist() == [[36, 48]] * 2
    assert batch["native"].tolist() == [[72, 96]] * 2
    assert (batch["pixels"][:, :, 36:] == PADDING).all()
    assert (batch["pixels"][:, :, :, 48:] == PADDING).all()
    assert [view.scaled for view in views_of(batch)] == [(36, 48)] * 2


def test_random_views_are_functions_of_seed_epoch_and_place(records):
    def pixels(indices, epoch, seed=3):
        return Scenes(records, 96, seed=seed).batch(np.array(indices), epoch)["pixels"]

    every = pixels(range(6), 1)
    assert torch.equal(every, pixels(range(6), 1))
    alone = pixels([4], 1)[0]
    assert torch.equal(every[4, :, : alone.shape[1], : alone.shape[2]], alone)
    assert not torch.equal(every, pixels(range(6), 2))
    assert not torch.equal(every, pixels(range(6), 1, seed=4))


def test_views_vary_in_size_place_and_side(records):
    rows = Scenes(records, 96, seed=0)
    views = [
        view for epoch in range(50) for view in rows.views(np.arange(6), epoch, [(72, 96)] * 6)
    ]
    assert all(view.window[0] <= 72 and view.window[1] <= 96 for view in views)
    factors = [view.scaled[0] / 72 for view in views]
    assert min(factors) < 0.75 < 1.35 < max(factors)
    assert 0.4 < np.mean([view.mirrored for view in views]) < 0.6
    assert len({view.corner for view in views}) > 50


def test_the_side_follows_the_pictures_up_to_a_limit(records):
    assert side_for(records, 320) == 96
    assert side_for(records, 64) == 64
    assert side_for(records, 320) % MULTIPLE == 0


def test_an_exact_share_is_held_out_at_random(records):
    kept, held = at_random(records, 0.34, seed=0)
    assert (len(kept), len(held)) == (4, 2)
    assert sorted([*kept["id"], *held["id"]]) == sorted(records["id"])
    assert {tuple(at_random(records, 0.34, seed)[1]["id"]) for seed in range(9)} != {
        tuple(held["id"])
    }
    assert len(at_random(records, 0.01, seed=0)[1]) == 1
    with pytest.raises(HeadstartError, match="a single picture"):
        at_random(records.select([0]), 0.5, seed=0)


def test_a_picture_that_cannot_be_decoded_is_named(records, tmp_path):
    (tmp_path / "cut.png").write_bytes(Path(records[0]["image"]["path"]).read_bytes()[:900])
    cut = {"image": {"bytes": None, "path": str(tmp_path / "cut.png")}}
    with pytest.raises(HeadstartError, match=r"images/000\.png cannot be decoded"):
        Scenes(records.select([0]).map(lambda row: cut), 64).batch(np.array([0]), 0)
