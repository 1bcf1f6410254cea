"""Evaluate a network during training without side effects on training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def frozen(objective: nn.Module) -> Iterator[None]:
    """Evaluate without gradients or dropout, and restore modes and buffers afterwards."""
    modes = {module: module.training for module in objective.modules()}
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in modes
        for name, buffer in module.named_buffers(recurse=False)
    ]
    objective.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training
        for module, name, buffer, before in buffers:
            buffer.copy_(before)
            setattr(module, name, buffer)
