"""Which of several processes this is, as torchrun says it; without torch."""

from __future__ import annotations

import os

#: What torchrun sets in each process. One of them alone, such as RANK, is of another program.
_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


def launched() -> tuple[int, int, int, int] | None:
    """Return rank, number of processes, and both on this machine; None if there is one process."""
    values = [os.environ.get(name, "") for name in _NAMES]
    if "TORCHELASTIC_RUN_ID" not in os.environ or not all(map(str.isdigit, values)):
        return None
    rank, world, local_rank, local_world = map(int, values)
    return rank, world, local_rank, local_world


def is_first() -> bool:
    """Return whether this process writes and answers for all."""
    ranks = launched()
    return ranks is None or ranks[0] == 0
