"""Cutting images into patches and tiles, position by position."""

from __future__ import annotations

import torch
from pretext import NarrowConv, TinyViT

from headstart.objectives.patches import cut, enlarge, patchify, plain, side_for, unpatchify
from headstart.seeding import generator


def test_patches_lie_row_by_row_and_come_back():
    pixels = torch.rand(2, 3, 12, 12, generator=generator(0))
    patches = patchify(pixels, 4)
    assert patches.shape == (2, 9, 48)
    for index in range(9):
        top, left = 4 * (index // 3), 4 * (index % 3)
        square = pixels[1, :, top : top + 4, left : left + 4]
        assert torch.equal(patches[1, index].view(4, 4, 3), square.permute(1, 2, 0))
    assert torch.equal(unpatchify(patches, 4), pixels)


def test_tiles_are_cut_where_each_row_says():
    pixels = torch.rand(3, 3, 10, 10, generator=generator(1))
    tops = torch.tensor([[0, 6], [1, 2], [3, 3]])
    lefts = torch.tensor([[5, 0], [6, 1], [2, 4]])
    tiles = cut(pixels, tops, lefts, 4)
    for row in range(3):
        for n in range(2):
            i, j = int(tops[row, n]), int(lefts[row, n])
            assert torch.equal(tiles[row, n], pixels[row, :, i : i + 4, j : j + 4])


def test_small_tiles_are_enlarged_to_what_the_encoder_can_see():
    assert side_for(NarrowConv(), 8) == 16
    assert side_for(NarrowConv(), 20) == 32
    assert side_for(TinyViT(), 17) == 20
    tiles = torch.rand(2, 9, 3, 8, 8, generator=generator(2))
    large = enlarge(tiles, 16)
    assert large.shape == (2, 9, 3, 16, 16)
    torch.testing.assert_close(large.mean((-2, -1)), tiles.mean((-2, -1)), atol=0.05, rtol=0)


def test_bytes_become_floats_and_larger_pictures_are_shrunk():
    stored = torch.full((2, 3, 20, 20), 255, dtype=torch.uint8)
    assert plain({"pixels": stored}, 10).eq(1).all()
    assert plain({"pixels": stored}, 10).shape == (2, 3, 10, 10)
