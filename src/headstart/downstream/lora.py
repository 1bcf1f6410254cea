"""Low-rank adaptation through ``peft`` (LoRA, Hu et al. 2021, https://arxiv.org/abs/2106.09685).

Every linear layer W of the blocks becomes W + (alpha / r) B A, where A (r,in) and B (out,r) learn
and W is frozen. B starts at 0, so the network starts unchanged. The sum is saved, so the result is
an ordinary network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import nn

from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.encoders import Encoder

#: alpha / r (Hu et al. 2021, section 4.1); r and rate can then be set apart.
SCALE = 2.0
#: B starts at 0, so the pairs learn this much faster than whole layers would.
LORA_RATE = 10.0


def add_lora(encoder: Encoder, rank: int, freeze: str = "none") -> Callable[[], None]:
    """Add pairs of rank ``rank`` to the linear layers of an encoder and freeze the rest.

    Args:
        encoder: changed in place; :meth:`Encoder.layers` returns the same layers as before.
        rank: r, the inner size of the pairs.
        freeze: the user's option; ``all`` is refused.

    Returns:
        A function that merges each pair into its layer and removes it.

    Raises:
        HeadstartError: peft is not installed, no block of the encoder has a linear layer, or all is
            to stay frozen.
    """
    if freeze == "all":
        raise HeadstartError(
            "--lora adapts what --freeze all keeps as it is; leave out one of the two."
        )
    try:
        import peft
    except ImportError:
        raise HeadstartError(
            "LoRA needs peft: install the extra with `pip install 'headstart[lora]'`, or leave "
            "out --lora."
        ) from None
    layers = [*encoder.layers()[1:], *encoder.decoder_layers()]
    blocks = [module for layer in layers for module in layer.modules()]
    chosen = {id(module) for module in blocks if type(module) is nn.Linear}
    names = [name for name, module in encoder.named_modules() if id(module) in chosen]
    if not names:
        raise HeadstartError(
            "LoRA needs linear layers above the embeddings, and this encoder has none; leave out "
            "--lora, or choose modernbert, bert or another transformer."
        )
    config = peft.LoraConfig(r=rank, lora_alpha=round(SCALE * rank), target_modules=names)
    adapted: Any = peft.get_peft_model(encoder, config)

    def merge() -> None:
        adapted.merge_and_unload()

    return merge
