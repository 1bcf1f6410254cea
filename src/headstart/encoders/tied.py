"""A decoder that shares the weights of an encoder, with cross-attention added."""

from __future__ import annotations

import copy

from torch import Tensor, nn
from transformers import PreTrainedModel

#: Model types of Transformers whose blocks support cross-attention.
TIED_TYPES = ("bert", "roberta", "xlm-roberta", "camembert", "electra")


class TiedDecoder(nn.Module):
    """A causal network of :data:`TIED_TYPES` with cross-attention to one vector per row.

    All parameters are shared with the encoder except the cross-attention, which each block has
    after its self-attention. Attention over a single vector does not depend on queries and keys,
    so these are frozen.

    Args:
        model: the encoder.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        config = copy.deepcopy(model.config)
        config.is_decoder, config.add_cross_attention, config.use_cache = True, True, False
        network = type(model)(config)
        if hasattr(network, "pooler"):
            network.pooler = None
        for name, module in model.named_modules():
            copied = network.get_submodule(name)
            for key, parameter in module.named_parameters(recurse=False):
                setattr(copied, key, parameter)
        for name, parameter in network.named_parameters():
            if ".crossattention.self.query." in name or ".crossattention.self.key." in name:
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
