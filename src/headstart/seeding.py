"""Randomness as pure functions of named numbers, so that no random state needs to be saved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def derive(*parts: int | str) -> int:
    """Return a 63-bit seed that depends on every part, in order.

    >>> derive(0, "order", 1) == derive(0, "order", 1) != derive(0, "order", 2)
    True
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def numbers(*parts: int | str) -> np.random.Generator:
    """Return a fresh generator of numpy, seeded with :func:`derive`."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(derive(*parts)))


def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """Return the indices (count,) int64 of one epoch: a permutation of ``0..count-1``.

    A pure function of its arguments, so that resuming needs no generator state.
    """
    return numbers(seed, "order", epoch).permutation(count)


def generator(*parts: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh generator seeded with :func:`derive`."""
    import torch

    return torch.Generator(device=device).manual_seed(derive(*parts))


def reseed(device: torch.device, *parts: int | str) -> None:
    """Seed the global generators of the CPU and of ``device``, which dropout uses.

    ``torch.manual_seed`` also records a stack trace for each kind of missing accelerator, which
    takes milliseconds: too long for every step.
    """
    import torch

    seed = derive(*parts)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


@contextmanager
def seeded(*parts: int | str) -> Iterator[None]:
    """Seed torch's global generator with :func:`derive`, and restore its state afterwards.

    For libraries that use it: the initial weights of networks.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(*parts))
        yield


def uniform(indices: np.ndarray, *parts: int | str) -> np.ndarray:
    """Return a number in [0, 1) for each index (n,), each a pure function of index and parts.

    SplitMix64 (Steele et al. 2014): stateless, so any index of any epoch costs the same.
    """
    import numpy as np

    with np.errstate(over="ignore"):
        state = indices.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(
            derive(*parts)
        )
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) / 2.0**53
