"""Grad-CAM: which positions of the last feature map speak for a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from headstart.deployment.attributions import LogOdds, repeated, require_captum
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.batch import Batch
    from headstart.downstream.classification import Classification
    from headstart.encoders import Encoder


def grad_cam(
    encoder: Encoder, head: Classification, batch: Batch, tensor: str, odds: LogOdds
) -> Tensor:
    """Return what each position of the last feature map adds to the log-odds of two classes, (h,h).

    Selvaraju et al. 2017 (https://arxiv.org/abs/1610.02391), equations 1 and 2, without the ReLU,
    so that evidence against the class is shown, too. Where the network ends in a mean and a linear
    layer, as ours do, the positions sum up to the log-odds less their bias.

    Args:
        batch: one row.
        tensor: the name of the network's input, (1,C,S,S) floats.

    Raises:
        HeadstartError: the network has no maps.
    """
    layer = last_map(encoder, batch)
    if layer is None:
        raise no_maps()

    def score(values: Tensor) -> Tensor:
        pooled = encoder.pool({**repeated(batch, len(values)), tensor: values})
        return odds(head.deep(pooled))

    method = require_captum().LayerGradCam(score, layer)
    found: Tensor = method.attribute(batch[tensor], relu_attributions=False)
    return found[0, 0].detach().float()


def may_have_maps(encoder: Encoder) -> bool:
    """True for an encoder with a feature map that is not a grid of patches."""
    return "grid" in encoder.provides and "patches" not in encoder.provides


def last_map(encoder: Encoder, batch: Batch) -> nn.Module | None:
    """Return the module that gives the last square map (1,C,h,h), h > 1.

    None without one, or where the encoder's output is not that of its last map.
    """
    found: list[tuple[nn.Module, int]] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4:
            height, width = output.shape[2:]
            if height == width > 1:
                found.append((module, height))

    if not may_have_maps(encoder):
        return None
    hooks = [module.register_forward_hook(note) for module in cast(nn.Module, encoder).modules()]
    try:
        with torch.no_grad():
            tokens = encoder(batch).tokens
    finally:
        for hook in hooks:
            hook.remove()
    layer, side = found[-1] if found else (None, 0)
    return layer if side**2 == tokens.shape[1] else None


def no_maps() -> HeadstartError:
    """Return the error for an encoder without maps."""
    return HeadstartError(
        "Grad-CAM needs a convolutional network of images, and this encoder has no maps; use "
        "--method auto."
    )
