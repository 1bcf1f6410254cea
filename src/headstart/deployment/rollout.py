"""Attention rollout: how much the last layer of a transformer attends to each input position.

It follows attention alone, so it depends on no class and has no signs: it shows where a network
looked, not what it inferred.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.batch import Batch
    from headstart.encoders import Encoder


def rollout(attentions: list[Tensor]) -> Tensor:
    """Return how much each output (B,T,.) holds of each input (B,.,T); rows sum up to 1.

    Abnar and Zuidema 2020 (https://arxiv.org/abs/2005.00928), section 3: the mean over the heads,
    averaged with the identity for the residual connection, multiplied from first to last layer.

    Args:
        attentions: (B,H,T,T) of each layer, first to last; rows sum up to 1.
    """
    length = attentions[0].shape[-1]
    whole = torch.eye(length, device=attentions[0].device)
    for layer in attentions:
        mixed = layer.float().mean(1)  # (B,T,T)
        whole = (0.5 * mixed + 0.5 * torch.eye(length, device=mixed.device)) @ whole
    return whole


def of_positions(encoder: Encoder, batch: Batch) -> Tensor:
    """Return the share of each position in the vector of one record: (T,), or (h,h) on a grid.

    Shares of tokens sum up to 1; those of patches to less, as the class token has a share.

    Raises:
        HeadstartError: the encoder has no attention between all positions.
    """
    rolled = rollout(_attentions(encoder, batch))[0]
    with torch.no_grad():
        mask = encoder(batch).mask[0]
    if "grid" not in encoder.provides:
        return rolled[mask].mean(0)
    side, prefix = round(len(mask) ** 0.5), rolled.shape[-1] - len(mask)
    if prefix < 0:
        raise no_attention()
    reader = rolled[0] if _reads_class_token(_network(encoder)) else rolled[prefix:].mean(0)
    return reader[prefix:].view(side, side)


def can_roll_out(encoder: Encoder) -> bool:
    """True for a transformer with global attention in every layer."""
    model = _network(encoder)
    if hasattr(model, "set_attn_implementation"):
        kinds = getattr(model.config, "model_type", "")
        return (
            getattr(model.config, "num_attention_heads", None) is not None
            and "swin" not in kinds
            and ("grid" not in encoder.provides or hasattr(model, "embeddings"))
        )
    if "patches" not in encoder.provides or not hasattr(model, "global_pool"):
        return False
    layers = [getattr(block, "attn", None) for block in getattr(model, "blocks", ())]
    parts = ("fused_attn", "attn_drop")
    return bool(layers) and all(hasattr(layer, part) for layer in layers for part in parts)


def _network(encoder: Encoder) -> Any:
    """Return the network of Transformers or timm within an encoder; None where there is none."""
    return getattr(encoder, "model", None)


def _reads_class_token(model: Any) -> bool:
    """Return whether an image's vector is its class token, not the mean of its patches."""
    if hasattr(model, "set_attn_implementation"):
        return hasattr(model.embeddings, "cls_token")
    return bool(model.global_pool == "token")


def _attentions(encoder: Encoder, batch: Batch) -> list[Tensor]:
    if not can_roll_out(encoder):
        raise no_attention()
    found: list[Tensor] = []
    model = _network(encoder)
    watch = _watched if hasattr(model, "set_attn_implementation") else _watched_timm
    with torch.no_grad(), watch(model, found):
        encoder(batch)
    if not found or any(layer.dim() != 4 for layer in found):
        raise no_attention()
    return found


def no_attention() -> HeadstartError:
    """Return the error for an encoder whose attention cannot be rolled out."""
    return HeadstartError(
        "attention rollout needs a transformer in which all positions see all others, and this "
        "encoder is none; use --method auto."
    )


@contextmanager
def _watched(model: Any, found: list[Tensor]) -> Iterator[None]:
    """Collect the attention of a network of Transformers, in its eager implementation."""
    implementation = model.config._attn_implementation
    output_attentions = getattr(model.config, "output_attentions", False)
    hook = model.register_forward_hook(
        lambda module, inputs, output: found.extend(getattr(output, "attentions", None) or ())
    )
    try:
        model.set_attn_implementation("eager")
        model.config.output_attentions = True
        yield
    finally:
        hook.remove()
        model.config.output_attentions = output_attentions
        model.set_attn_implementation(implementation)


@contextmanager
def _watched_timm(model: Any, found: list[Tensor]) -> Iterator[None]:
    """The same for a ViT of timm: the attention is the input of the dropout on it."""
    with ExitStack() as undo:
        for block in model.blocks:
            layer = block.attn
            undo.callback(setattr, layer, "fused_attn", layer.fused_attn)
            layer.fused_attn = False
            hook = layer.attn_drop.register_forward_hook(
                lambda module, inputs, output: found.append(inputs[0])
            )
            undo.callback(hook.remove)
        yield
