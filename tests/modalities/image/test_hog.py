"""HOG finds the direction of an edge in its cell, whatever the light and whatever the group."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image

from headstart.modalities.image.hog import DIRECTIONS, directions, hog_and_colour
from headstart.modalities.image.modality import ImageModality


def photograph(count: int = 2, side: int = 16, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(0, 256, (count, 3, side, side), dtype=np.uint8))


def by_cell(features: torch.Tensor, cells: int) -> torch.Tensor:
    """Return (B,34,n,n)."""
    return features.view(len(features), 34, cells, cells)


def test_every_gradient_is_shared_by_its_two_directions():
    images = photograph(1).float() / 255
    maps = directions(images)[0].numpy()
    roots = np.pad(images[0].sqrt().numpy(), ((0, 0), (1, 1), (1, 1)), mode="edge")
    for y, x in ((0, 0), (7, 3), (15, 9)):
        across = roots[:, y + 1, x + 2] - roots[:, y + 1, x]
        down = roots[:, y + 2, x + 1] - roots[:, y, x + 1]
        strongest = np.hypot(across, down).argmax()
        strength = math.hypot(across[strongest], down[strongest])
        turns = math.atan2(down[strongest], across[strongest]) / (2 * math.pi) * DIRECTIONS
        lower = math.floor(turns)
        wanted = np.zeros(DIRECTIONS)
        wanted[lower % DIRECTIONS] = strength * (1 - turns + lower)
        wanted[(lower + 1) % DIRECTIONS] = strength * (turns - lower)
        assert maps[:, y, x] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(("turned", "direction"), [(0, 0), (1, 13.5), (2, 9), (3, 4.5)])
def test_an_edge_is_in_its_direction_and_its_cells(turned, direction):
    image = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    image[..., 8:] = 255
    image = torch.rot90(image, turned, (2, 3))
    cells = by_cell(hog_and_colour(image), 4)[0]
    signed = cells[:DIRECTIONS]
    strongest = signed.amax((1, 2))
    nearest = {math.floor(direction), math.ceil(direction)}
    assert set(strongest.nonzero().flatten().tolist()) == nearest
    rows, columns = signed.sum(0).nonzero().unbind(1)
    along = columns if turned % 2 == 0 else rows
    assert set(along.tolist()) == {1, 2}


def test_the_light_changes_the_colours_only():
    dark = photograph() // 4
    one, other = (by_cell(hog_and_colour(p.float() / 255), 4) for p in (dark, dark * 4))
    assert torch.allclose(one[:, :31], other[:, :31], atol=1e-2)
    assert torch.allclose(4 * one[:, 31:], other[:, 31:], atol=1e-5)


@pytest.mark.parametrize(("side", "cells"), [(16, 4), (14, 4), (30, 4), (32, 6)])
def test_colours_are_the_means_of_the_cells(side, cells):
    images = photograph(2, side)
    found = by_cell(hog_and_colour(images, cells), cells)[:, 31:]
    # Each pixel as cells x cells little ones: then a cell is a whole number of them.
    fine = images.float().repeat_interleave(cells, 2).repeat_interleave(cells, 3) / 255
    wanted = torch.nn.functional.avg_pool2d(fine, side)
    assert torch.allclose(found, wanted, atol=1e-5)


def test_an_even_picture_has_no_shape_and_images_do_not_mix():
    images = photograph(40)
    images[3] = 90
    found = hog_and_colour(images)
    assert by_cell(found, 4)[3, :31].abs().max() == 0
    assert torch.allclose(found[[17]], hog_and_colour(images[[17]]), atol=1e-6)


def test_vectors_kept_with_an_encoder_are_those_of_the_squares(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3, 20, 20, 3), dtype=np.uint8)
    rows = []
    for number, picture in enumerate(noise):
        file = tmp_path / f"{number}.png"
        Image.fromarray(picture).save(file)
        rows.append({"id": str(number), "image": {"bytes": None, "path": str(file)}})
    records, modality = Dataset.from_list(rows), ImageModality()
    found = modality.simple(records, 20, 0)
    found.save(tmp_path)
    again = modality.load(tmp_path).collate(records, 64)["vectors"]
    expected = hog_and_colour(torch.from_numpy(noise).permute(0, 3, 1, 2))
    assert again.shape == (3, found.width)
    torch.testing.assert_close(again, expected)
