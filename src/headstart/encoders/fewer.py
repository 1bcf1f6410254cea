"""Networks of Transformers with fewer layers, and fewer channels in each, from the weights there.

Which layers stay: evenly spread ones, the first and the last included (Sanh et al. 2019,
"DistilBERT", section 3, take every other one). Which channels of a feed-forward stay: those whose
weights in and out are largest, whole ones, so that the products become smaller (Michel et al. 2019
and McCarley et al. 2019 remove structures likewise). Heads stay: in the configurations of
Transformers the width is heads times their size, so that no folder could say that some are gone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def stack_of(model: PreTrainedModel) -> tuple[nn.Module, str, nn.ModuleList] | None:
    """Return the blocks of a network, with the module that holds them and under which name."""
    found = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.ModuleList)
    ]
    return max(found, key=lambda each: len(each[2])) if found else None


def evenly(total: int, count: int) -> list[int]:
    """Return ``count`` of the numbers below ``total``, evenly spread, the first among them.

    >>> evenly(6, 2)
    [0, 5]
    """
    if count == 1:
        return [0]
    return [round(index * (total - 1) / (count - 1)) for index in range(count)]


def with_layers(model: PreTrainedModel, kept: Sequence[int]) -> PreTrainedModel:
    """Return a copy of a network with some of its blocks."""
    found = copy.deepcopy(model)
    place = stack_of(found)
    assert place is not None
    parent, name, blocks = place
    setattr(parent, name, nn.ModuleList(blocks[index] for index in kept))
    config: Any = found.config
    config.num_hidden_layers = len(kept)
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[index] for index in kept]
    for number, block in enumerate(getattr(parent, name)):
        for part in block.modules():
            if hasattr(part, "layer_idx"):
                part.layer_idx = number
    return found


def with_channels(model: PreTrainedModel, share: float) -> PreTrainedModel | None:
    """Return a copy with a share of the channels of each feed-forward.

    None where they cannot be told by their number, ``intermediate_size``.
    """
    size = getattr(model.config, "intermediate_size", None)
    if not isinstance(size, int):
        return None
    found = copy.deepcopy(model)
    place = stack_of(found)
    if place is None:
        return None
    count = max(8, round(size * share / 8) * 8)
    for block in place[2]:
        # Projections of attention may happen to be as wide.
        linears = [
            part
            for name, part in block.named_modules()
            if isinstance(part, nn.Linear) and "att" not in name.lower()
        ]
        outward = [each for each in linears if each.in_features == size]
        inward = [
            each
            for each in linears
            if each.out_features in (size, 2 * size) and each not in outward
        ]
        if not inward or len(outward) != 1:
            return None
        kept = _largest(inward, outward[0], size, count)
        for each in inward:
            gated = each.out_features == 2 * size  # two halves, of which one opens the other
            rows = torch.cat([kept, kept + size]) if gated else kept
            _take(each, rows, 0)
        _take(outward[0], kept, 1)
    found.config.intermediate_size = count
    return found


def _largest(inward: Sequence[nn.Linear], outward: nn.Linear, size: int, count: int) -> Tensor:
    """Return the numbers (count,) of the channels with the largest weights in and out."""
    into = torch.zeros(size)
    for each in inward:
        into += each.weight.detach().float().square().sum(1).view(-1, size).sum(0)
    out = outward.weight.detach().float().square().sum(0)
    return (into * out).topk(count).indices.sort().values


def _take(linear: nn.Linear, kept: Tensor, dimension: int) -> None:
    """Keep some rows (0) or columns (1) of a layer's weights."""
    linear.weight = nn.Parameter(linear.weight.detach().index_select(dimension, kept).clone())
    if dimension == 0:
        linear.out_features = len(kept)
        if linear.bias is not None:
            linear.bias = nn.Parameter(linear.bias.detach()[kept].clone())
    else:
        linear.in_features = len(kept)
