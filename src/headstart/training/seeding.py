"""Seed the global generators, which dropout uses, from a sequence of names and numbers."""

from __future__ import annotations

import torch

from headstart.seeding import derive


def reseed(device: torch.device, *parts: int | str) -> None:
    """Seed the global generators of the CPU and of ``device`` with :func:`derive`.

    ``torch.manual_seed`` also records a stack trace for each kind of missing accelerator, which
    takes milliseconds: too long for every step.
    """
    seed = derive(*parts)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
