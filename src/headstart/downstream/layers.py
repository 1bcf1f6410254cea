"""Frozen layers of a pre-trained encoder, and layer-wise learning rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.encoders import Encoder

#: Most digits of a number of layers; Python refuses to read one of thousands.
_DIGITS = 9


def frozen_modules(encoder: Encoder, freeze: str) -> list[nn.Module]:
    """Return the modules that ``freeze`` names: all, none, or N (embeddings and first N layers).

    Raises:
        HeadstartError: ``freeze`` is none of these, or the encoder has fewer layers.
    """
    if freeze in ("all", "none"):
        return [encoder] if freeze == "all" else []
    if not freeze.isdecimal() or len(freeze) > _DIGITS:
        raise HeadstartError(
            f"freeze={freeze!r} is not known; write all, none, or the number of layers to keep."
        )
    layers = encoder.layers()
    if int(freeze) >= len(layers):
        raise HeadstartError(
            f"freeze={freeze} asks for more layers than the encoder has ({len(layers) - 1} above "
            "its embeddings); write a smaller number, or all."
        )
    return layers[: int(freeze) + 1]


def layer_groups(
    encoder: Encoder, learning_rate: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Return parameter groups whose rate falls from the top layer down to the embeddings.

    Layer k of L (0 = the embeddings) learns at ``learning_rate * layer_decay ** (L - k)``, as in
    discriminative fine-tuning (Howard and Ruder 2018, section 3.2,
    https://arxiv.org/abs/1801.06146) and ELECTRA (Clark et al. 2020, appendix B). Parameters of no
    layer, such as those of the last norm, learn at ``learning_rate``;
    frozen parameters are left out; a shared parameter belongs to its lowest layer.
    """
    layers = encoder.layers()
    seen: set[nn.Parameter] = set()
    groups = []
    for depth, layer in enumerate([*layers, encoder]):
        rate = learning_rate * layer_decay ** max(0, len(layers) - 1 - depth)
        parameters = [p for p in layer.parameters() if p.requires_grad and p not in seen]
        seen.update(parameters)
        if parameters:
            groups.append({"params": parameters, "lr": rate})
    return groups
