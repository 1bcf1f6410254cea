"""The maps inside a picture network, from fine to coarse: what detection and segmentation build on.

Unlike elsewhere a picture here need not be square, and enters the network at its own size.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


def timm_maps(model: Any, x: Tensor) -> list[Tensor]:
    """Return the maps (B,C,h,w) of a timm network, one a resolution, the finest first."""
    if hasattr(model, "forward_intermediates"):
        return one_a_size(model.forward_intermediates(x, norm=True, intermediates_only=True))
    output = model.forward_features(x)
    if output.dim() == 4:
        last = getattr(model, "output_fmt", "NCHW") == "NHWC"
        return [output.permute(0, 3, 1, 2) if last else output]
    return [_as_map(output[:, getattr(model, "num_prefix_tokens", 0) :], x)]


def transformers_maps(output: Any, x: Tensor, prefix: int) -> list[Tensor]:
    """Return the same of what a network of Transformers gave for ``output_hidden_states``.

    Args:
        x: the pixels (B,3,H,W) that it saw.
        prefix: vectors before the patches'.
    """
    hidden = getattr(output, "reshaped_hidden_states", None) or output.hidden_states
    if all(state.dim() == 4 for state in hidden):
        return one_a_size(list(hidden))
    return [_as_map(output.last_hidden_state[:, prefix:], x)]


def one_a_size(maps: list[Tensor]) -> list[Tensor]:
    """Keep the last map of each size: the deepest look at that resolution."""
    return list({tuple(found.shape[-2:]): found for found in maps}.values())


def _as_map(tokens: Tensor, x: Tensor) -> Tensor:
    """Return vectors (B,T,D) as the map (B,D,h,w) whose cells are square on pixels (B,3,H,W)."""
    count, (height, width) = tokens.shape[1], x.shape[-2:]
    rows = round((count * height / width) ** 0.5)
    return tokens.mT.unflatten(2, (rows, count // rows))
