"""The run as a sequence of numbered batches, so that resuming means starting at a number."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from headstart.batch import Batch, Rows
from headstart.errors import CutOff, HeadstartError
from headstart.seeding import order
from headstart.stopping import ignore

if TYPE_CHECKING:
    from headstart.training.plan import TrainingPlan
    from headstart.training.processes import ProcessGroup

#: Epochs of fewer batches are split equally, so that no rows of a small data set are left out.
_SHORT_EPOCH = 10


class NumberedBatches(Dataset[tuple[int, Batch]]):
    """Micro-batch ``number`` of one process: a pure function of the seed and the number.

    An epoch is split into batches of exactly ``batch_size`` rows per process; the remaining rows
    (different ones in every epoch) are left out. If an epoch has fewer than ten batches they are
    equally large instead: 100 rows at batch size 64 give two batches of 50, and 20 rows give one
    batch of 20.

    Raises:
        HeadstartError: fewer rows than processes.
    """

    def __init__(
        self, rows: Rows, batch_size: int, seed: int, *, rank: int = 0, world: int = 1
    ) -> None:
        if len(rows) < world:
            raise HeadstartError(
                f"{len(rows)} rows cannot be shared by {world} processes; "
                "give more records or lower devices."
            )
        self._rows, self._seed, self._rank, self._world = rows, seed, rank, world
        count = len(rows)
        self.per_epoch, self.size = count // (batch_size * world), batch_size
        if self.per_epoch < _SHORT_EPOCH:
            self.per_epoch = -(-count // (batch_size * world))
            self.size = count // (self.per_epoch * world)
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    @classmethod
    def of(cls, plan: TrainingPlan, group: ProcessGroup) -> NumberedBatches:
        """Return the batches of one process in a plan."""
        rank, world = group.rank, group.world
        return cls(plan.rows, plan.batch_size, plan.config.seed, rank=rank, world=world)

    def __getitem__(self, number: int) -> tuple[int, Batch]:
        epoch, index = divmod(number, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, order(self._seed, epoch, len(self._rows))
        start = (index * self._world + self._rank) * self.size
        return number, self._rows.batch(self._order[start : start + self.size], epoch)


class ResumableLoader:
    """Yields batches ``0..total-1`` and counts those it yielded, not those it prefetched.

    Its state is that count; a loader that starts from a state does not read earlier batches.

    Attributes:
        waited: seconds that the training loop spent waiting for data.
    """

    def __init__(self, batches: NumberedBatches, total: int, workers: int) -> None:
        self.batches, self.total, self.workers = batches, total, workers
        self.consumed = 0
        self.waited = 0.0

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        loader = DataLoader(
            self.batches,
            batch_size=None,
            sampler=range(self.consumed, self.total),
            num_workers=self.workers,
            worker_init_fn=_ignore_signals if self.workers else None,
            pin_memory=torch.cuda.is_available(),
        )
        batches = iter(loader)
        while self.consumed < self.total:
            started = time.perf_counter()
            numbered = next(batches)
            self.waited += time.perf_counter() - started
            self.consumed += 1
            yield numbered

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Name a loader process that is killed, which may be noticed at any moment.

        Raises:
            CutOff: one was killed.
        """
        try:
            yield
        except RuntimeError as error:
            if not (dead := re.match(r"DataLoader worker \(pid\(?s?\)? ([\d, ]+)\)", str(error))):
                raise
            raise CutOff(
                f"the loader process {dead[1]} was killed, most likely because the memory is full; "
                f"free some, or give fewer --workers (now {self.workers}), and go on with --resume."
            ) from None

    def state_dict(self) -> dict[str, Any]:
        """Return how many batches were yielded; Lightning puts it into the checkpoint."""
        return {"consumed": self.consumed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue after that many batches."""
        self.consumed = state["consumed"]


def _ignore_signals(worker: int) -> None:
    """Leave all that stops a run to the main process, which ends its workers after saving."""
    ignore()
