"""The queue: requests of all clients wait in one place, and one thread computes them in batches.

Everything but the computation runs in the event loop, so that there is nothing to lock::

    submit -> waiting jobs of each lane -> a batch -> compute thread -> results of each job

A lane is work that can be computed together, such as the vectors of one run. A batch takes records
from the jobs of the lane that has waited longest, each job's in order. What a batch has no room for
stays behind the others of its lane, so that a large request delays no small one.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from headstart.deployment.serving.errors import BadRecord, Refusal, unavailable
from headstart.deployment.serving.limits import Limits

#: What earlier batches still count in the measured speed of a lane, when one is added.
_KEPT = 0.8


class Watcher(Protocol):
    """What is told how batches went; see :class:`.metrics.Metrics`."""

    def batch(self, items: int, seconds: float) -> None:
        """A batch was computed."""

    def waited(self, seconds: float) -> None:
        """The first records of a request begin to be computed."""


def _one(item: Any) -> float:
    """Return the cost of an item where all cost the same."""
    return 1.0


@dataclass(eq=False)
class Lane:
    """Work that is computed together.

    Attributes:
        compute: from records to a result for each, or an exception in the place of one; called in
            the compute thread.
        most: largest cost of a batch, where one record is computed however much it costs.
        cost: of a record, in a unit of the lane's own, such as tokens.
    """

    compute: Callable[[list[Any]], Sequence[Any]]
    most: float = math.inf
    cost: Callable[[Any], float] = _one
    jobs: deque[_Job] = field(default_factory=deque, init=False)
    #: Cost of all records that wait.
    waiting: float = field(default=0.0, init=False)
    _seconds: float = field(default=0.0, init=False)
    _costs: float = field(default=0.0, init=False)
    _is_warm: bool = field(default=False, init=False)

    @property
    def pace(self) -> float:
        """Seconds that a unit of cost takes, from the batches so far; 0 where that is not known."""
        return self._seconds / self._costs if self._costs else 0.0

    def measured(self, cost: float, seconds: float) -> None:
        """Take what a batch took; the first loads and prepares things, and tells nothing."""
        if self._is_warm:
            self._seconds = _KEPT * self._seconds + seconds
            self._costs = _KEPT * self._costs + cost
        self._is_warm = True


@dataclass(eq=False)
class _Job:
    """The records of one request.

    Attributes:
        since: when it arrived; turn: when it was put behind the others of its lane.
        taken: how many records are computed, or being computed.
    """

    items: Sequence[Any]
    costs: Sequence[float]
    future: asyncio.Future[list[Any]]
    since: float
    turn: float
    taken: int = 0
    results: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    """Records ``start`` to ``stop`` of a job, within a batch."""

    job: _Job
    start: int
    stop: int

    @property
    def items(self) -> Sequence[Any]:
        return self.job.items[self.start : self.stop]


class Queue:
    """Jobs that wait, and the thread that computes them; to be used in one event loop.

    Args:
        limits: how many records may wait, and how long.
        watcher: is told of every batch.
        batch_wait: seconds that the first job of a batch waits for others, if nothing is computed.
        batch_seconds: about how long a batch is computed.
    """

    def __init__(
        self, limits: Limits, watcher: Watcher, *, batch_wait: float, batch_seconds: float
    ) -> None:
        self._limits, self._watcher = limits, watcher
        self._batch_wait, self._batch_seconds = batch_wait, batch_seconds
        self._thread = ThreadPoolExecutor(1, "headstart-compute")
        self._lanes: dict[Lane, None] = {}  # those with jobs
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        #: Whether nothing is taken any more, and how many records wait.
        self.is_closed, self.items = False, 0

    async def submit(self, lane: Lane, items: Sequence[Any], *, admitted: bool = False) -> Any:
        """Return a result for each record, in order.

        If the caller is cancelled, as its client is gone, what was not computed yet is dropped.

        Args:
            admitted: whether it goes on with a request that was let in before.

        Raises:
            Refusal: too much waits already, or its turn came too late.
            Exception: what the computation raised of these records.
        """
        if self.is_closed:
            raise unavailable()
        costs = [lane.cost(item) for item in items]
        total = sum(costs)
        if not admitted:
            self._admit(len(items), lane, total)
        loop = asyncio.get_running_loop()
        now = loop.time()
        job = _Job(items, costs, loop.create_future(), now, now)
        lane.jobs.append(job)
        lane.waiting += total
        self._lanes[lane] = None
        self.items += len(items)
        self._wake()
        try:
            return await job.future
        finally:
            self._drop(lane, job)

    def seconds(self) -> float:
        """Return about how long it takes to compute all that waits."""
        return sum(lane.waiting * lane.pace for lane in self._lanes)

    def close(self) -> None:
        """Refuse what still waits, and end the thread after its batch."""
        self.is_closed = True
        for lane in list(self._lanes):
            for job in list(lane.jobs):
                if not job.future.done():
                    job.future.set_exception(unavailable())
                self._drop(lane, job)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _admit(self, count: int, lane: Lane, cost: float) -> None:
        if self.items and self.items + count > self._limits.queue:
            raise Refusal(
                429,
                f"{self.items:,} records wait already, of {self._limits.queue:,} at most (limit "
                "`queue`); send the request again later.",
                "queue",
                retry_after=self.seconds() / 2,
            )
        seconds = self.seconds()
        if seconds > self._limits.wait:
            raise self._too_late(seconds)

    def _too_late(self, seconds: float) -> Refusal:
        return Refusal(
            429,
            f"what waits takes longer than {self._limits.wait:g} seconds (limit `wait`); send the "
            "request again later.",
            "wait",
            retry_after=seconds / 2,
        )

    def _drop(self, lane: Lane, job: _Job) -> None:
        """Forget what of a job was not taken yet."""
        left = len(job.items) - job.taken
        if not left:
            return
        with contextlib.suppress(ValueError):
            lane.jobs.remove(job)
        self._take(lane, job, left)

    def _take(self, lane: Lane, job: _Job, count: int) -> None:
        """Note that the next records of a job wait no longer."""
        lane.waiting -= sum(job.costs[job.taken : job.taken + count])
        job.taken += count
        self.items -= count
        if not lane.jobs:
            lane.waiting = 0.0  # without the rounding of many sums
            self._lanes.pop(lane, None)

    # -- batches ---------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Compute a batch as soon as it is full, or its first job has waited long enough."""
        if self._busy or not self._lanes:
            return
        loop = asyncio.get_running_loop()
        lane = min(self._lanes, key=lambda each: each.jobs[0].turn)
        due = lane.jobs[0].turn + self._batch_wait
        if lane.waiting < self._budget(lane) and due > loop.time():
            if self._timer is None:
                self._timer = loop.call_at(due, self._due)
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        parts = self._batch(lane, loop.time())
        if not parts:  # all were too late
            self._wake()
            return
        self._busy = True
        done = loop.run_in_executor(self._thread, _computed, lane, parts)
        done.add_done_callback(lambda future: self._finish(lane, parts, future))

    def _due(self) -> None:
        self._timer = None
        self._wake()

    def _budget(self, lane: Lane) -> float:
        """Return the cost of a batch that takes about the time that one should."""
        return min(lane.most, self._batch_seconds / lane.pace if lane.pace else lane.most)

    def _batch(self, lane: Lane, now: float) -> list[_Part]:
        """Take the records of the next batch from the jobs of a lane."""
        room, parts = self._budget(lane), list[_Part]()
        while lane.jobs:
            job = lane.jobs[0]
            if not job.taken and now - job.since > self._limits.wait:
                job.future.set_exception(self._too_late(self.seconds()))
                self._drop(lane, job)
                continue
            start = stop = job.taken
            while stop < len(job.items) and (
                room >= job.costs[stop] or not (parts or stop > start)
            ):
                room -= job.costs[stop]
                stop += 1
            if stop == start:
                break
            if not start:
                self._watcher.waited(now - job.since)
            parts.append(_Part(job, start, stop))
            lane.jobs.popleft()
            if stop < len(job.items):  # the rest waits behind the others
                job.turn = now
                lane.jobs.append(job)
            self._take(lane, job, stop - start)
            if stop < len(job.items):
                break
        return parts

    def _finish(self, lane: Lane, parts: list[_Part], future: asyncio.Future[Any]) -> None:
        self._busy = False
        if future.cancelled():
            return
        found, seconds = future.result()
        cost = sum(sum(part.job.costs[part.start : part.stop]) for part in parts)
        lane.measured(cost, seconds)
        self._watcher.batch(sum(part.stop - part.start for part in parts), seconds)
        for part, results in zip(parts, found, strict=True):
            _settle(part, results)
            if part.job.future.done():
                self._drop(lane, part.job)
        if not self.is_closed:
            self._wake()


def _settle(part: _Part, results: Sequence[Any] | Exception) -> None:
    """Give a job its results, or the first of its errors."""
    job = part.job
    if job.future.done():  # its client is gone
        return
    if isinstance(results, Exception):
        job.future.set_exception(results)
        return
    for number, each in enumerate(results, start=part.start):
        if isinstance(each, Exception):
            if isinstance(each, BadRecord):
                each.number = number
            job.future.set_exception(each)
            return
    job.results += results
    if len(job.results) == len(job.items):
        job.future.set_result(job.results)


def _computed(lane: Lane, parts: list[_Part]) -> tuple[list[Sequence[Any] | Exception], float]:
    """Return the results of each part, or its error, and the seconds that it took; in the thread.

    Where the batch fails each part is computed alone, so that only those that are at fault fail.
    """
    start = time.perf_counter()
    found: list[Sequence[Any] | Exception] = []
    try:
        results = lane.compute([item for part in parts for item in part.items])
        at = 0
        for part in parts:
            count = part.stop - part.start
            found.append(results[at : at + count])
            at += count
    except Exception as error:
        found = [error] if len(parts) == 1 else [_alone(lane, part) for part in parts]
    return found, time.perf_counter() - start


def _alone(lane: Lane, part: _Part) -> Sequence[Any] | Exception:
    try:
        return lane.compute(list(part.items))
    except Exception as error:
        return error
