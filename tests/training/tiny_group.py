"""Work for two processes, in a module that both can import."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import torch
import torch.distributed as distributed

from headstart.config import PretrainConfig
from headstart.errors import HeadstartError
from headstart.training.processes import ProcessGroup
from headstart.verbs.starting import begun


def gather_then_disagree(folder: Path) -> None:
    """Sum rank + 1 over the group, take a value from rank 0; then rank 1 fails, rank 0 waits."""
    group = ProcessGroup.here()
    group.join()
    total = torch.tensor(group.rank + 1)
    distributed.all_reduce(total)
    shared = group.share(f"from rank {group.rank}")
    text = f"{group.rank} of {group.world}: {total.item()} {shared}"
    (folder / str(group.rank)).write_text(text)
    if group.rank == 1:
        raise HeadstartError("rank 1 found a mistake")
    distributed.barrier()


def first_is_refused(folder: Path) -> None:
    """Let the first process do what fails, and note the error that each gets."""
    group = ProcessGroup.here()

    def fail() -> None:
        raise HeadstartError(f"only rank {group.rank} tried")

    try:
        group.first(fail)
    except HeadstartError as error:
        (folder / str(group.rank)).write_text(str(error))
        raise


def records_are_given_to_each(folder: Path) -> None:
    """Begin a run from records in memory, which differ in each process."""
    rank = ProcessGroup.here().rank
    texts = [f"text {number} of rank {rank}" for number in range(4)]
    values = {"sources": [texts], "out": str(folder / "run")}
    with begun("pretrain", PretrainConfig, values, lambda plan: None) as (_, plan):
        (folder / str(rank)).write_text(plan.sources[0])


def second_is_killed() -> None:
    group = ProcessGroup.here()
    if group.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    group.join()
