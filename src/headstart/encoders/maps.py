"""Feature maps of image networks, from fine to coarse, for detection and segmentation.

Unlike elsewhere, images here need not be square and are not resized.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


def timm_maps(model: Any, x: Tensor) -> list[Tensor]:
    """Return the maps (B,C,h,w) of a timm network, one per resolution, finest first."""
    if hasattr(model, "forward_intermediates"):
        return one_per_size(model.forward_intermediates(x, norm=True, intermediates_only=True))
    output = model.forward_features(x)
    if output.dim() == 4:
        last = getattr(model, "output_fmt", "NCHW") == "NHWC"
        return [output.permute(0, 3, 1, 2) if last else output]
    return [_as_map(output[:, getattr(model, "num_prefix_tokens", 0) :], x)]


def transformers_maps(output: Any, x: Tensor, prefix: int) -> list[Tensor]:
    """Return the same for the output of Transformers with ``output_hidden_states``.

    Args:
        x: its input pixels (B,3,H,W).
        prefix: number of vectors before the patches.
    """
    hidden = getattr(output, "reshaped_hidden_states", None) or output.hidden_states
    if all(state.dim() == 4 for state in hidden):
        return one_per_size(list(hidden))
    return [_as_map(output.last_hidden_state[:, prefix:], x)]


def one_per_size(maps: list[Tensor]) -> list[Tensor]:
    """Keep the last, deepest map of each resolution."""
    return list({tuple(found.shape[-2:]): found for found in maps}.values())


def _as_map(tokens: Tensor, x: Tensor) -> Tensor:
    """Return vectors (B,T,D) as a map (B,D,h,w) with square cells on pixels (B,3,H,W)."""
    count, (height, width) = tokens.shape[1], x.shape[-2:]
    rows = round((count * height / width) ** 0.5)
    return tokens.mT.unflatten(2, (rows, count // rows))
