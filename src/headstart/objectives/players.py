"""Adversarial training with one loss and one backward pass, by functional calls."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.func import functional_call


def call_frozen(module: nn.Module, *inputs: Any) -> Any:
    """Call ``module`` with constant parameters, so that gradients reach the inputs alone.

    Its buffers are unchanged, so that running statistics are not updated a second time.
    """
    state = {name: parameter.detach() for name, parameter in module.named_parameters()}
    return functional_call(module, {**state, **_copies(module)}, inputs)


def call_keeping_buffers(module: nn.Module, *inputs: Any) -> Any:
    """Call ``module`` with gradients, but without updating its running statistics."""
    return functional_call(module, _copies(module), inputs)


def _copies(module: nn.Module) -> dict[str, Any]:
    return {name: buffer.clone() for name, buffer in module.named_buffers()}
