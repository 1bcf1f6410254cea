"""An encoder once more, as a decoder: the same weights, and attention to something else on top."""

from __future__ import annotations

import copy

from torch import Tensor, nn
from transformers import PreTrainedModel

#: Kinds of Transformers whose blocks can be given attention to another sequence.
TIED_TYPES = ("bert", "roberta", "xlm-roberta", "camembert", "electra")


class TiedDecoder(nn.Module):
    """A network of :data:`TIED_TYPES` that looks to the left, and at one vector a row.

    All that the encoder has too is the encoder's own; the attention to the vector is new, one
    a block, between the block's attention to itself and what follows that. Where there is a
    single vector to look at, whatever asks finds it, so queries and keys have nothing to learn.

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
            twin = network.get_submodule(name)
            for key, parameter in module.named_parameters(recurse=False):
                setattr(twin, key, parameter)
        for name, parameter in network.named_parameters():
            if ".crossattention.self.query." in name or ".crossattention.self.key." in name:
                parameter.requires_grad_(False)
        self.network = network

    def forward(self, vectors: Tensor, seen: Tensor) -> Tensor:
        """Return vectors (B,U,D), each of which knows of those before it and of ``seen``.

        Args:
            vectors: (B,U,D) of tokens; padding stands at the end, where nothing looks at it.
            seen: (B,D) the one vector of each row that all its tokens look at.
        """
        out: Tensor = self.network(
            inputs_embeds=vectors, encoder_hidden_states=seen[:, None], use_cache=False
        ).last_hidden_state
        return out
