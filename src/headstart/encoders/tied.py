"""A decoder that shares the weights of an encoder, with cross-attention added."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

#: Queries and keys of cross-attention.
_CROSSING = re.compile(r"\.crossattention\.self\.(query|key)\.")


def can_cross_attend(model: PreTrainedModel) -> bool:
    """Return whether the blocks of a network can have cross-attention: one is built to see.

    It is built without memory for its weights.
    """
    try:
        with torch.device("meta"):
            network = type(model)(_decoding(model))
    except Exception:  # whatever a network of another library makes of it
        return False
    return any(_CROSSING.search(name) for name, _ in network.named_parameters())


class TiedDecoder(nn.Module):
    """A causal network with cross-attention to one vector per row, see :func:`can_cross_attend`.

    All parameters are shared with the encoder except the cross-attention, which each block has
    after its self-attention. Attention over a single vector does not depend on queries and keys,
    so these are frozen.

    Args:
        model: the encoder.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        network = type(model)(_decoding(model))
        if hasattr(network, "pooler"):
            network.pooler = None
        for name, module in model.named_modules():
            copied = network.get_submodule(name)
            for key, parameter in module.named_parameters(recurse=False):
                setattr(copied, key, parameter)
        for name, parameter in network.named_parameters():
            if _CROSSING.search(name):
                parameter.requires_grad_(False)
        self.network = network

    def forward(self, vectors: Tensor, seen: Tensor) -> Tensor:
        """Return vectors (B,U,D) that depend on those before them and on ``seen``.

        Args:
            vectors: (B,U,D) of tokens, padded at the end.
            seen: (B,D) the vector of each row to which its tokens cross-attend.
        """
        out: Tensor = self.network(
            inputs_embeds=vectors, encoder_hidden_states=seen[:, None], use_cache=False
        ).last_hidden_state
        return out


def _decoding(model: PreTrainedModel) -> PreTrainedConfig:
    config = copy.deepcopy(model.config)
    config.is_decoder, config.add_cross_attention, config.use_cache = True, True, False
    return config
