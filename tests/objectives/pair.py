"""The same work in two processes that form a group."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import torch.distributed as distributed
import torch.multiprocessing as processes


def in_two_processes(work: Callable[[int, str], None], folder: Path) -> None:
    """Run ``work(rank, folder)`` as rank 0 and as rank 1; no thread of the group may be left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    processes.spawn(_one, args=(port, work, str(folder)), nprocs=2)


def _one(rank: int, port: int, work: Callable[[int, str], None], folder: str) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    work(rank, folder)
    distributed.barrier()
    distributed.destroy_process_group()
    left = group_threads()
    assert not left, f"the group is gone and its threads are not: {left}"


def group_threads() -> list[str]:
    """Return the names of this process's threads that belong to a process group (Linux)."""
    names = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    return [name for name in names if "gloo" in name]
