"""The two steps of a timm ViT, between which an objective may drop patches."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.patch_embed import PatchEmbed
from timm.layers.pos_embed import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn


def has_patches(model: nn.Module) -> bool:
    """Whether a network is a standard ViT (Dosovitskiy et al. 2021), possibly with registers.

    Variants with windows, rotary positions or a distillation token are not supported.
    """
    return type(model) is VisionTransformer and type(model.patch_embed) is PatchEmbed


def patch_vectors(model: Any, pixels: Tensor) -> Tensor:
    """Return the patch vectors (B,T,D), without positions."""
    vectors = model.patch_embed(pixels)
    return vectors.flatten(1, 2) if vectors.dim() == 4 else vectors


def patches_in_context(model: Any, tokens: Tensor, positions: Tensor | None, grid: int) -> Tensor:
    """Return the last layer's vectors (B,K,D) for patch vectors ``tokens`` (B,K,D).

    Args:
        positions: (B,K) indices of the patches on the grid, row by row; None = 0..K-1.
        grid: patches per side of the image.
    """
    prefix, own = _position_vectors(model, grid)
    if own is not None:
        tokens = tokens + (own[: tokens.shape[1]] if positions is None else own[positions])
    extra = [t for t in (model.cls_token, model.reg_token) if t is not None]
    if extra:
        first = torch.cat(extra, 1)
        first = first if prefix is None else first + prefix
        tokens = torch.cat([first.expand(len(tokens), -1, -1).to(tokens.dtype), tokens], 1)
    tokens = model.norm_pre(model.pos_drop(tokens))
    return model.norm(model.blocks(tokens))[:, model.num_prefix_tokens :]


def _position_vectors(model: Any, grid: int) -> tuple[Tensor | None, Tensor | None]:
    """Return the position vectors of the prefix tokens (1,P,D) and of the patches (T,D)."""
    if model.pos_embed is None:
        return None, None
    first = 0 if model.no_embed_class else model.num_prefix_tokens
    vectors = resample_abs_pos_embed(
        model.pos_embed,
        new_size=[grid, grid],
        old_size=list(model.patch_embed.grid_size),
        num_prefix_tokens=first,
    )
    return (vectors[:, :first] if first else None), vectors[0, first:]
