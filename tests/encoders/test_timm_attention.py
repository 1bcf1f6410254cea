"""Attention of timm's networks: products in bf16 training on a CPU, torch's own elsewhere."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from timm.models.vision_transformer import Block

from headstart.encoders.timm_attention import attend_by_products


def block() -> Block:
    torch.manual_seed(0)
    made = Block(32, 4, qkv_bias=True)
    attend_by_products(made)
    return made


@pytest.mark.parametrize(
    ("bf16", "gradients", "fused"),
    [(True, True, 0), (True, False, 1), (False, True, 1), (False, False, 1)],
)
def test_only_training_in_bf16_goes_without_the_fused_attention(
    bf16, gradients, fused, monkeypatch
):
    calls = []
    own = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional,
        "scaled_dot_product_attention",
        lambda *given, **options: calls.append(1) or own(*given, **options),
    )
    layer = block()
    context = torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext()
    with context, torch.set_grad_enabled(gradients):
        layer(torch.randn(2, 5, 32))
    assert len(calls) == fused
    assert layer.attn.fused_attn


def test_both_ways_give_the_same_values_and_gradients_up_to_bf16():
    ours, theirs = block(), Block(32, 4, qkv_bias=True)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 7, 32)
    found = []
    for layer in (ours, theirs):
        with torch.autocast("cpu", torch.bfloat16):
            made = layer(x)
        made.float().square().mean().backward()
        found.append([made, *(p.grad for p in layer.parameters())])
    for one, other in zip(*found, strict=True):
        assert (one.float() - other.float()).norm() < 0.02 * other.float().norm() + 1e-4


def test_who_switches_the_fused_attention_off_has_the_last_word():
    layer = block()
    layer.attn.fused_attn = False
    with torch.no_grad():
        layer(torch.randn(2, 5, 32))
    assert not layer.attn.fused_attn


def test_an_error_inside_leaves_no_trace():
    layer = block()
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(RuntimeError):
        layer.attn(torch.randn(2, 5, 31))
    assert layer.attn.fused_attn
