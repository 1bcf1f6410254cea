"""Attention by explicit matrix products where that trains faster: in bf16 on a CPU.

There the backward pass of torch's fused attention is several times as slow as batched matrix
products (measured in ``benchmarks/mlm_throughput.py``). Otherwise the fused kernel is used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "headstart"
#: Bias of masked positions; with infinity a row that sees nothing would be NaN.
HIDDEN = -30000.0


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Return the attended values (B,T,H,D) of query (B,H,T,D), key and value (B,H',S,D).

    The signature is that of Transformers' attention functions; H is a multiple of H'.
    """
    if not (torch.is_grad_enabled() and value.is_cpu and value.dtype == torch.bfloat16):
        return sdpa_attention_forward(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout=dropout,
            scaling=scaling,
            is_causal=is_causal,
            **kwargs,
        )
    count, heads, length, width = query.shape
    sources = key.shape[2]
    key, value = (t.repeat_interleave(heads // t.shape[1], 1) for t in (key, value))
    # The values may be of another width than queries and keys.
    flat_query, flat_key, flat_value = (
        t.to(value.dtype).flatten(0, 1) for t in (query, key, value)
    )
    bias = _bias(module, attention_mask, is_causal, length, sources, query.device)
    scale = width**-0.5 if scaling is None else scaling
    if bias is None:
        scores = torch.bmm(flat_query * scale, flat_key.transpose(1, 2))
    else:
        bias = bias.expand(count, heads, length, sources).reshape(-1, length, sources)
        scores = torch.baddbmm(bias, flat_query, flat_key.transpose(1, 2), alpha=scale)
    with torch.autocast("cpu", enabled=False):
        weights = scores.softmax(-1)
    if module.training and dropout:
        weights = F.dropout(weights, dropout)
    attended = torch.bmm(weights, flat_value).unflatten(0, (count, heads))
    return attended.transpose(1, 2).contiguous(), None


def _bias(
    module: nn.Module,
    mask: Tensor | None,
    is_causal: bool | None,
    length: int,
    sources: int,
    device: torch.device,
) -> Tensor | None:
    """Return the bias of the scores, (B or 1, 1, T, S) bf16; None without a mask."""
    if mask is None:
        causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
        if not causal or length == 1:
            return None
        mask = torch.ones(length, sources, dtype=torch.bool, device=device).tril()[None, None]
    if mask.dtype != torch.bool:
        return mask.to(torch.bfloat16)
    zero = torch.zeros((), dtype=torch.bfloat16, device=device)
    return zero.masked_fill(~mask, HIDDEN)


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
