"""Attention of timm networks by explicit products where that trains faster: in bf16 on a CPU.

There the backward pass of torch's fused attention takes most of a small ViT's step; see
:mod:`headstart.encoders.attention` for networks of Transformers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def attend_by_products(model: nn.Module) -> None:
    """Make each timm attention in ``model`` choose the implementation at every call.

    If ``fused_attn`` is already off it stays off.
    """
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.register_forward_pre_hook(_choose)
            module.register_forward_hook(_restore, always_call=True)


def _choose(module: Any, given: tuple[Any, ...]) -> None:
    x = given[0]
    autocast = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu")
    bf16 = torch.bfloat16 in (x.dtype, autocast)
    module.was_fused = module.fused_attn
    module.fused_attn = module.fused_attn and not (torch.is_grad_enabled() and x.is_cpu and bf16)


def _restore(module: Any, given: tuple[Any, ...], output: Any) -> None:
    module.fused_attn = module.was_fused
