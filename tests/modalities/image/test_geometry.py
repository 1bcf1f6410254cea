"""Crops, shifts, blur and erased blocks: torchvision's results, a whole batch at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from headstart.modalities.image import geometry

reference = pytest.importorskip("torchvision.transforms.v2.functional")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bytes_(count: int, height: int, width: int) -> Tensor:
    draw = torch.randint(0, 256, (count, 3, height, width), generator=generator())
    return draw.to(torch.uint8)


BOXES = torch.tensor([[0, 0, 20, 24], [3, 5, 7, 4], [19, 23, 1, 1], [2, 0, 17, 20], [0, 4, 20, 9]])
FLIPS = torch.tensor([False, True, False, True, True])


def expected(pixels: Tensor, size: int) -> Tensor:
    rows = []
    for row, flip in enumerate(FLIPS.tolist()):
        box = BOXES[row].tolist()
        cut = reference.resized_crop(pixels[row], *box, size=[size, size], antialias=True)
        rows.append(reference.horizontal_flip(cut) if flip else cut)
    return torch.stack(rows)


@pytest.mark.parametrize("size", [5, 20, 40])
@pytest.mark.parametrize("by_matrices", [True, False])
def test_a_crop_of_floats_is_torchvisions(
    size: int, by_matrices: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geometry, "MATRIX_SIDE", 1000 if by_matrices else 0)
    pixels = bytes_(5, 20, 24) / 255
    done = geometry.crop_resize(pixels, BOXES, FLIPS, size)
    torch.testing.assert_close(done, expected(pixels, size), atol=1e-5, rtol=0)


@pytest.mark.parametrize("by_matrices", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_crop_of_bytes_is_that_of_floats(
    by_matrices: bool, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geometry, "MATRIX_SIDE", 1000 if by_matrices else 0)
    pixels = bytes_(5, 20, 24).contiguous(memory_format=layout)
    done = geometry.crop_resize(pixels, BOXES, FLIPS, 16)
    assert done.dtype == torch.float32
    torch.testing.assert_close(done, expected(pixels / 255, 16), atol=1.01 / 255, rtol=0)


def test_the_whole_picture_at_its_own_size_is_not_changed() -> None:
    pixels = bytes_(3, 16, 16)
    whole = torch.tensor([[0, 0, 16, 16]]).expand(3, 4)
    done = geometry.crop_resize(pixels, whole, torch.tensor([False, True, False]), 16)
    torch.testing.assert_close(done[0], pixels[0] / 255)
    torch.testing.assert_close(done[1], pixels[1].flip(2) / 255)  # left to right, not upside down


def test_boxes_lie_in_the_picture_and_keep_the_share_and_the_ratio_asked_for() -> None:
    boxes = geometry.draw_boxes(4000, 100, 100, (0.2, 0.9), (0.5, 2.0), generator()).double()
    top, left, high, wide = boxes.unbind(1)
    assert (boxes[:, :2] >= 0).all()
    assert (top + high <= 100).all()
    assert (left + wide <= 100).all()
    share, ratio = high * wide / 1e4, wide / high
    assert 0.19 < share.min() < 0.22
    assert 0.86 < share.max() < 0.91
    assert 0.48 < ratio.min() < 0.53
    assert 1.9 < ratio.max() < 2.05
    assert abs(ratio.log().mean()) < 0.03  # uniform in the logarithm
    assert {0.0, 100.0} <= set((top + high).tolist()) | set(top.tolist())


def test_boxes_are_drawn_as_torchvision_draws_them() -> None:
    from torchvision.transforms import RandomResizedCrop

    torch.manual_seed(0)
    empty = torch.empty(3, 32, 40)
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(empty, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(2000)]
    ).double()
    ours = geometry.draw_boxes(20000, 32, 40, (0.2, 1.0), (3 / 4, 4 / 3), generator()).double()
    # 2,000 draws of values that spread by about 5 pixels: 4 standard errors are 0.5
    torch.testing.assert_close(ours.mean(0), theirs.mean(0), atol=0.5, rtol=0)
    torch.testing.assert_close(ours.std(0), theirs.std(0), atol=0.4, rtol=0)


def test_where_no_box_fits_it_is_the_largest_central_one() -> None:
    boxes = geometry.draw_boxes(5, 100, 10, (0.9, 1.0), (3 / 4, 4 / 3), generator())
    assert boxes.tolist() == [[43, 0, 13, 10]] * 5


def test_a_shift_moves_by_at_most_the_margin_and_mirrors_the_border() -> None:
    pixels = bytes_(200, 8, 8)
    boxes = geometry.draw_shifts(200, 8, 8, 2, generator())
    assert boxes[:, :2].unique().tolist() == [0, 1, 2, 3, 4]
    assert boxes[:, 2:].unique().tolist() == [8]
    padded = geometry.mirror_border(pixels, 2)
    torch.testing.assert_close(padded[:, :, 2:-2, 2:-2], pixels / 255)
    torch.testing.assert_close(padded[:, :, 2:-2, 1], pixels[..., 1] / 255)


@pytest.mark.parametrize(("radius", "side"), [(1, 9), (4, 12), (5, 30)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_blur_is_torchvisions_with_a_width_for_each_sample(
    radius: int, side: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geometry, "_product_dtype", lambda pixels: dtype)
    pixels = bytes_(4, side, side + 3) / 255
    sigma = torch.tensor([0.1, 0.7, 1.3, 2.0])
    done = geometry.blur_(pixels.clone(), sigma, radius)
    rows = [
        reference.gaussian_blur(p, [2 * radius + 1] * 2, [s])
        for p, s in zip(pixels, sigma.tolist(), strict=True)
    ]
    # bfloat16 may be off by about one level of 255
    tolerance = 1e-5 if dtype == torch.float32 else 1.5 / 255
    torch.testing.assert_close(done, torch.stack(rows), atol=tolerance, rtol=0)


def test_a_blur_wider_than_the_picture_is_cut_to_it() -> None:
    pixels = bytes_(2, 3, 3) / 255
    assert geometry.blur_(pixels.clone(), torch.ones(2), 50).shape == pixels.shape
    lone = bytes_(2, 1, 1) / 255
    done = geometry.blur_(lone.clone(), torch.ones(2), 1)
    torch.testing.assert_close(done, lone, atol=2e-3, rtol=0)


def test_erased_blocks_are_black_and_the_rest_is_kept() -> None:
    pixels = bytes_(2, 6, 6) / 255 + 0.1
    done = geometry.erase_(pixels.clone(), torch.tensor([[1, 2, 3, 4], [0, 0, 0, 0]]))
    torch.testing.assert_close(done[0], reference.erase(pixels[0], 1, 2, 3, 4, torch.zeros(1)))
    torch.testing.assert_close(done[1], pixels[1])
