"""The feature maps of any image encoder as a pyramid, for heads that predict per position."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.encoders import PixelEncoder
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.encoders import Encoder

try:
    from torchvision.ops import FeaturePyramidNetwork
except ModuleNotFoundError:
    raise HeadstartError(
        "pictures need the extra `images`: pip install headstart[images]"
    ) from None


def map_encoder(encoder: Encoder) -> PixelEncoder:
    """Return an encoder as one that has maps.

    Raises:
        HeadstartError: it has none.
    """
    if not isinstance(encoder, PixelEncoder) or "maps" not in encoder.provides:
        raise HeadstartError(
            "detection and segmentation need an encoder of pictures; pre-train one, or use task "
            "classification."
        )
    return encoder


def map_shapes(encoder: Encoder, side: int) -> list[tuple[int, int]]:
    """Return channels and height of each of an encoder's maps of an image of ``side`` pixels.

    Raises:
        HeadstartError: the encoder cannot take images that are not square.
    """
    encoder = map_encoder(encoder)
    training = encoder.training
    encoder.eval()
    device = next(encoder.parameters()).device
    try:
        with torch.no_grad():
            # Not square, as whole images are not.
            maps = encoder.maps(torch.zeros(1, 3, side, 2 * side, device=device))
    except Exception as error:
        raise HeadstartError(
            f"this encoder cannot take whole pictures ({str(error).strip().splitlines()[0]}); "
            "choose another, such as conv, vit or resnet18."
        ) from None
    finally:
        encoder.train(training)
    return [(found.shape[1], found.shape[2]) for found in maps]


class Pyramid(nn.Module):
    """A feature pyramid network on maps that are resized to given strides.

    FPN is from Lin et al. 2017 (https://arxiv.org/abs/1612.03144). Each stride takes the encoder's
    map with the nearest stride: a coarser one is interpolated, a finer one is pooled. So the single
    map of a vision transformer becomes a simple pyramid (ViTDet, Li et al. 2022,
    https://arxiv.org/abs/2203.16527), here without weights.

    Args:
        channels: of each of the encoder's maps.
        chosen: for each stride the index of its map.
        strides: pixels between the cells of each output, ascending.
        width: channels of the outputs.
    """

    def __init__(
        self, channels: Sequence[int], chosen: Sequence[int], strides: Sequence[int], width: int
    ) -> None:
        super().__init__()
        self.channels, self.chosen = list(channels), list(chosen)
        self.strides, self.out_channels = list(strides), width
        self.fpn = FeaturePyramidNetwork([self.channels[index] for index in self.chosen], width)

    @classmethod
    def on(cls, encoder: Encoder, strides: Sequence[int], width: int) -> Pyramid:
        """Choose the maps of an encoder."""
        side = 2 * max(strides)
        shapes = map_shapes(encoder, side)
        # The first of the nearest ones; maps are compared by the logarithm of their stride.
        heights = torch.tensor([float(height) for _, height in shapes]).log()
        requested = torch.tensor([side / stride for stride in strides]).log()
        chosen = (requested[:, None] - heights).abs().argmin(1).tolist()
        return cls([channels for channels, _ in shapes], chosen, strides, width)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that make the same pyramid."""
        return {
            "channels": self.channels,
            "chosen": self.chosen,
            "strides": self.strides,
            "width": self.out_channels,
        }

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> list[Tensor]:
        """Return (B,width,H/stride,W/stride) for each stride, from an encoder's maps.

        Args:
            maps: (B,C,h,w) each.
            size: H and W of the images, multiples of the largest stride.
        """
        named = OrderedDict(
            (str(stride), resized(maps[index], (size[0] // stride, size[1] // stride)))
            for stride, index in zip(self.strides, self.chosen, strict=True)
        )
        return list(self.fpn(named).values())


def resized(found: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a map (B,C,h,w) at another size: interpolated up, or max-pooled down."""
    if found.shape[2] > size[0]:
        return F.adaptive_max_pool2d(found, size)
    if tuple(found.shape[2:]) != size:
        return F.interpolate(found, size, mode="bilinear")
    return found
