"""Colour steps are torchvision's, with a factor for each sample."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from headstart.modalities.image import colour

reference = pytest.importorskip("torchvision.transforms.v2.functional")


def images(count: int = 6, side: int = 9) -> Tensor:
    """Return random pictures whose first rows are grey, black, white and pure colours."""
    pixels = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))
    pixels[:, :, 0] = pixels[:, :1, 0]
    pixels[:, :, 1, :2] = torch.tensor([0.0, 1.0])
    primary = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]])
    pixels[:, :, 2, :6] = primary.T.float()
    return pixels


@pytest.mark.parametrize(
    ("step", "torchvision", "factors"),
    [
        (colour.brightness_, "adjust_brightness", [0.0, 0.2, 0.9, 1.0, 1.4, 1.8]),
        (colour.contrast_, "adjust_contrast", [0.0, 0.2, 0.9, 1.0, 1.4, 1.8]),
        (colour.saturation_, "adjust_saturation", [0.0, 0.2, 0.9, 1.0, 1.4, 1.8]),
        (colour.hue_, "adjust_hue", [-0.5, -0.13, 0.0, 0.05, 0.2, 0.5]),
    ],
)
def test_each_sample_is_adjusted_as_torchvision_adjusts_it_alone(
    step: Callable[[Tensor, Tensor], Tensor], torchvision: str, factors: list[float]
) -> None:
    pixels = images()
    expected = [getattr(reference, torchvision)(p, f) for p, f in zip(pixels, factors, strict=True)]
    done = step(pixels.clone(), torch.tensor(factors))
    torch.testing.assert_close(done, torch.stack(expected), atol=1e-5, rtol=0)


def test_neutral_factors_leave_the_picture_as_it_is() -> None:
    pixels, one = images(), torch.ones(6)
    done = colour.saturation_(colour.contrast_(colour.brightness_(pixels.clone(), one), one), one)
    torch.testing.assert_close(done, pixels, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        colour.hue_(pixels.clone(), torch.zeros(6)), pixels, atol=1e-5, rtol=0
    )


def test_grey_and_solarize_are_torchvisions() -> None:
    pixels = images()
    grey = reference.rgb_to_grayscale(pixels, num_output_channels=3)
    torch.testing.assert_close(colour.grey_(pixels.clone()), grey)
    torch.testing.assert_close(
        colour.solarize_(pixels.clone(), 0.5), reference.solarize(pixels, 0.5)
    )


def test_steps_work_in_place() -> None:
    pixels = images()
    for done in (
        colour.brightness_(pixels, torch.ones(6)),
        colour.contrast_(pixels, torch.ones(6)),
        colour.saturation_(pixels, torch.ones(6)),
        colour.hue_(pixels, torch.zeros(6)),
        colour.grey_(pixels),
        colour.solarize_(pixels, 0.5),
    ):
        assert done.data_ptr() == pixels.data_ptr()
