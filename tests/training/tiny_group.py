"""Work for two processes, in a module that both can import."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as distributed

from headstart.errors import HeadstartError
from headstart.training.processes import Place


def gather_then_disagree(folder: Path) -> None:
    """Sum rank + 1 over the group, take a value from rank 0; then rank 1 fails, rank 0 waits."""
    place = Place.here()
    place.join()
    total = torch.tensor(place.rank + 1)
    distributed.all_reduce(total)
    shared = place.share(f"from rank {place.rank}")
    text = f"{place.rank} of {place.world}: {total.item()} {shared}"
    (folder / str(place.rank)).write_text(text)
    if place.rank == 1:
        raise HeadstartError("rank 1 found a mistake")
    distributed.barrier()


def first_is_refused(folder: Path) -> None:
    """Let the first process do what fails, and note what each is told."""
    place = Place.here()

    def fail() -> None:
        raise HeadstartError(f"only rank {place.rank} tried")

    try:
        place.first(fail)
    except HeadstartError as error:
        (folder / str(place.rank)).write_text(str(error))
        raise
