"""The run as one sequence of numbered batches."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from torch import Tensor, tensor

from headstart.errors import CutOff, HeadstartError
from headstart.seeding import order
from headstart.training.loader import NumberedBatches, ResumableLoader


class Indices:
    """Rows that hold their own index, and count how often they are read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.reads = 0

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: np.ndarray, epoch: int) -> dict[str, Tensor]:
        self.reads += 1
        return {"indices": tensor(indices), "epoch": tensor(epoch)}


@pytest.mark.parametrize(
    ("rows", "batch_size", "world", "per_epoch", "size"),
    [
        (640, 64, 1, 10, 64),
        (700, 64, 1, 10, 64),  # 60 rows wait for the next epoch
        (100, 64, 1, 2, 50),  # few batches are made equally large
        (20, 64, 1, 1, 20),  # fewer rows than a batch
        (1280, 64, 2, 10, 64),
        (100, 64, 2, 1, 50),
        (3, 64, 2, 1, 1),
    ],
)
def test_an_epoch_is_cut_into_equal_batches(
    rows: int, batch_size: int, world: int, per_epoch: int, size: int
) -> None:
    parts = [
        NumberedBatches(Indices(rows), batch_size, 0, rank=r, world=world) for r in range(world)
    ]
    assert {(part.per_epoch, part.size) for part in parts} == {(per_epoch, size)}
    for epoch in range(2):
        seen = [
            index
            for number in range(epoch * per_epoch, (epoch + 1) * per_epoch)
            for part in parts
            for index in part[number][1]["indices"].tolist()
        ]
        # In the order of the epoch, no row twice, whatever the number of processes.
        assert seen == order(0, epoch, rows)[: per_epoch * size * world].tolist()


def test_fewer_rows_than_processes_is_a_mistake_to_mend() -> None:
    with pytest.raises(HeadstartError, match="1 rows cannot be shared by 2 processes"):
        NumberedBatches(Indices(1), 4, 0, world=2)


def test_skipping_reads_nothing_of_what_came_before() -> None:
    rows = Indices(10_000)
    loader = ResumableLoader(NumberedBatches(rows, 2, 0), 10**9, workers=0)
    loader.load_state_dict({"consumed": 987_654_321})
    number, batch = next(iter(loader))
    assert number == 987_654_321
    assert batch["epoch"] == number // 5000
    assert rows.reads == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_the_state_counts_what_was_handed_over_not_what_was_prefetched(workers: int) -> None:
    loader = ResumableLoader(NumberedBatches(Indices(40), 4, 0), 12, workers)
    batches = iter(loader)
    for _ in range(5):
        next(batches)
    assert loader.state_dict() == {"consumed": 5}
    other = ResumableLoader(NumberedBatches(Indices(40), 4, 0), 12, workers)
    other.load_state_dict(loader.state_dict())
    assert [number for number, _ in other] == list(range(5, 12)) == [n for n, _ in batches]
    assert len(other) == 12


class Deadly(Indices):
    """Rows whose reader is killed, as the system does when the memory is full."""

    def batch(self, indices: np.ndarray, epoch: int) -> dict[str, Tensor]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}


def test_a_loader_process_that_is_killed_is_named() -> None:
    loader = ResumableLoader(NumberedBatches(Deadly(8), 2, 0), 4, workers=1)
    with (
        pytest.raises(
            CutOff, match=r"loader process \d+ was killed.*fewer --workers \(now 1\)"
        ) as found,
        loader.watched(),
    ):
        list(loader)
    assert len(str(found.value)) < 300
    with pytest.raises(RuntimeError, match="another"), loader.watched():
        raise RuntimeError("another")
