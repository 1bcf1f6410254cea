"""Shared parts of image encoders: pixels in, vectors on a square grid out."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import unit_pixels
from headstart.encoders import PatchEncoder
from headstart.errors import HeadstartError, first_line

Out = TypeVar("Out", bound=tuple[Any, ...])


class ImageInput(nn.Module):
    """Preprocessing inside the network: from the pixels of a batch to its input.

    Args:
        mean, std: of each of the three channels, for pixels in 0..1.
        scale: factor by which sides are enlarged, for networks that downsample small images too
            much. Relative sizes of crops are preserved.
        multiple: sides are enlarged to the next multiple, the size of a patch.
        channels_last: memory layout in which convolutions are faster on CPUs and tensor cores.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        scale: float = 1.0,
        multiple: int = 1,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.scale, self.multiple, self.channels_last = scale, multiple, channels_last
        # Buffers, so that they follow device and dtype, but not part of the state.
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    def side(self, size: int) -> int:
        """Return the side at which an image of ``size`` pixels per side enters the network."""
        return math.ceil(round(size * self.scale) / self.multiple) * self.multiple

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (B,3,S,S) in the weights' dtype from ``pixels`` (B,3,H,H), uint8 or 0..1."""
        x, side = self.normal(pixels), self.side(pixels.shape[-1])
        if side != pixels.shape[-1]:
            x = F.interpolate(x, size=(side, side), mode="bilinear")
        return x.to(self.mean.dtype)

    def normal(self, pixels: Tensor) -> Tensor:
        """Return ``pixels`` (B,3,H,W), uint8 or 0..1, normalised, without resizing."""
        x = (unit_pixels(pixels).float() - self.mean.float()) / self.std.float()
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x

    def native(self, pixels: Tensor) -> Tensor:
        """Normalise images (B,3,H,W) of any shape, resized only to whole patches."""
        x, sides = self.normal(pixels), pixels.shape[-2:]
        whole = [math.ceil(side / self.multiple) * self.multiple for side in sides]
        if whole != list(sides):
            x = F.interpolate(x, size=whole, mode="bilinear")
        return x.to(self.mean.dtype)


class PatchNetwork(PatchEncoder):
    """A network of another library, from which patches may be dropped if it supports that.

    Attributes:
        input: the preprocessing.
        has_patches: whether patches can be dropped.
    """

    input: ImageInput
    has_patches: bool

    @property
    def provides(self) -> frozenset[str]:
        """Capabilities; ``patches`` only if patches can be dropped."""
        patches = {"patches"} if self.has_patches else set()
        dropout = {"dropout"} if self.has_dropout() else set()
        return frozenset({"grid", "maps", *patches, *dropout})

    def contextualize(
        self,
        tokens: Tensor,
        visibility: Tensor | None = None,
        positions: Tensor | None = None,
        grid: int | None = None,
    ) -> Tensor:
        if visibility is not None:
            raise HeadstartError(
                "in an encoder of pictures all patches see each other; choose an objective that "
                "leaves patches out (`headstart list objectives`)."
            )
        whole = round(tokens.shape[1] ** 0.5)
        own = self.input.side(self.size) // self.patch_size
        return self.in_context(tokens, positions, grid or (whole if positions is None else own))

    @abstractmethod
    def in_context(self, tokens: Tensor, positions: Tensor | None, grid: int) -> Tensor:
        """Implement :meth:`contextualize` for an image of ``grid`` patches per side."""


def grid_tokens(output: Tensor, *, prefix: int = 0, channels: int = 1) -> Tensor:
    """Return a network's last feature map as vectors (B,T,D), row by row.

    Args:
        output: a map (B,D,h,h) or (B,h,h,D), or vectors (B,prefix+T,D).
        prefix: number of vectors before the patches: class token, registers.
        channels: the dimension of D in a map.
    """
    if output.dim() == 4:
        return (output.flatten(2).mT if channels == 1 else output.flatten(1, 2)).contiguous()
    return output[:, prefix:]


def full_mask(tokens: Tensor) -> Tensor:
    """Return a mask (B,T) that is True everywhere, for vectors (B,T,D)."""
    return torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)


def parts_by_depth(model: nn.Module, depths: dict[str, int]) -> list[nn.Module]:
    """Split a network into parts, from the input up.

    Args:
        depths: the depth of each parameter by its name; the depths may have gaps.

    Returns:
        One module per depth; together they hold every parameter once. Submodules of one depth stay
        whole, so that freezing them also covers dropout and running statistics.
    """
    found: dict[int, list[nn.Module]] = {depth: [] for depth in sorted(set(depths.values()))}

    def visit(module: nn.Module, prefix: str) -> None:
        inside = {depths[prefix + name] for name, _ in module.named_parameters()}
        if len(inside) == 1:
            found[inside.pop()].append(module)
            return
        for name, parameter in module.named_parameters(recurse=False):
            found[depths[prefix + name]].append(nn.ParameterList([parameter]))
        for name, child in module.named_children():
            visit(child, f"{prefix}{name}.")

    visit(model, "")
    return [part[0] if len(part) == 1 else nn.ModuleList(part) for part in found.values()]


def try_out(model: nn.Module, name: str, size: int, run: Callable[[Tensor], Out]) -> Out:
    """Call ``run`` on a black image, so that errors are found before training.

    Args:
        run: takes pixels (1,3,size,size) and returns vectors (1,T,D), then anything else.

    Raises:
        HeadstartError: the network does not support images of this size, or has no square grid.
    """
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            found = run(torch.zeros(1, 3, size, size))
    except Exception as error:
        raise HeadstartError(
            f"the network {name!r} cannot take pictures of {size} pixels a side "
            f"({first_line(error)}); choose another length, or another encoder."
        ) from None
    finally:
        model.train(training)
    tokens = found[0]
    if tokens.dim() != 3 or round(tokens.shape[1] ** 0.5) ** 2 != tokens.shape[1]:
        raise HeadstartError(
            f"the network {name!r} does not end in a square grid of vectors; choose another "
            "encoder, such as conv, vit or resnet18."
        )
    return found
