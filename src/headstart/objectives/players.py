"""Two players, one loss and one backward pass: each takes the other's parameters as constants."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.func import functional_call


def held(module: nn.Module, *inputs: Any) -> Any:
    """Call ``module`` with its parameters as constants: gradients reach the inputs alone.

    Its buffers stay as they are too, so that running statistics are not moved a second time.
    """
    state = {name: parameter.detach() for name, parameter in module.named_parameters()}
    return functional_call(module, {**state, **_copies(module)}, inputs)


def unmoved(module: nn.Module, *inputs: Any) -> Any:
    """Call ``module`` with gradients for all, and leave its running statistics as they were."""
    return functional_call(module, _copies(module), inputs)


def _copies(module: nn.Module) -> dict[str, Any]:
    return {name: buffer.clone() for name, buffer in module.named_buffers()}
