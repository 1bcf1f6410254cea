"""The order of an epoch as a pure function, so that resuming needs no generator state."""

from __future__ import annotations

import numpy as np

from headstart.seeding import derive


def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """Return the indices (count,) int64 of one epoch: a permutation of ``0..count-1``.

    It depends on its three arguments only; every index occurs exactly once per epoch.
    """
    return np.random.Generator(np.random.PCG64(derive(seed, "order", epoch))).permutation(count)
