"""Grad-CAM: which places of a picture a convolutional network found the evidence at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import unit_pixels
from headstart.deployment.attributions import evidence, require_captum
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.batch import Batch
    from headstart.downstream.classification import Classification


def grad_cam(encoder: Any, head: Classification, batch: Batch, target: int) -> Tensor:
    """Return what each place of the last map adds to the evidence for a class (h,h).

    Selvaraju et al. 2017, equation 1 and 2, without the ReLU, so that what speaks against the class
    is seen, too. Where the network ends in a mean and a linear layer, as ours do, the places sum
    up to the evidence less its bias.

    Args:
        batch: one row, ``pixels`` (1,3,S,S).

    Raises:
        HeadstartError: the network has no maps.
    """
    layer = last_map(encoder, batch)
    if layer is None:
        raise HeadstartError(
            "Grad-CAM needs a convolutional network, and this encoder has no maps; use --method "
            "auto."
        )

    def score(pixels: Tensor) -> Tensor:
        return evidence(head.linear(encoder.pool({"pixels": pixels})).float())[:, target]

    method = require_captum().LayerGradCam(score, layer)
    found: Tensor = method.attribute(unit_pixels(batch["pixels"]), relu_attributions=False)
    return found[0, 0].detach().float()


def last_map(encoder: Any, batch: Batch) -> nn.Module | None:
    """Return the module that gives the last square map (1,C,h,h), h > 1.

    None without one, or where the encoder's vectors are not those of its last map.
    """
    found: list[tuple[nn.Module, int]] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4:
            height, width = output.shape[2:]
            if height == width > 1:
                found.append((module, height))

    hooks = [module.register_forward_hook(note) for module in encoder.model.modules()]
    try:
        with torch.no_grad():
            tokens = encoder(batch).tokens
    finally:
        for hook in hooks:
            hook.remove()
    if "patches" in encoder.provides or not found:
        return None
    layer, side = found[-1]
    return layer if side**2 == tokens.shape[1] else None


def enlarged(heat: Tensor, side: int) -> Tensor:
    """Return a map (h,h) at the size of its picture (side,side), smoothly."""
    return F.interpolate(heat[None, None], size=(side, side), mode="bilinear")[0, 0]
