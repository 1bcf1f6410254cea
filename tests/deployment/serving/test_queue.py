"""The queue: what is computed together, in which order, and who is told what."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headstart.config import ServeConfig
from headstart.deployment.serving.errors import BadRecord, Refusal
from headstart.deployment.serving.limits import Limits
from headstart.deployment.serving.queue import Lane, Queue


class Watch:
    """Remembers the sizes of batches."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def batch(self, items: int, seconds: float) -> None:
        self.sizes.append(items)

    def waited(self, seconds: float) -> None:
        pass


def served(work: Callable[[Queue, Watch], Awaitable[Any]], **options: Any) -> Any:
    """Run ``work`` with a queue of its own."""
    config = ServeConfig(runs=["x"], **options)
    watch = Watch()

    async def run() -> Any:
        queue = Queue(Limits.of(config), watch, batch_wait=0.01, batch_seconds=60)
        try:
            return await work(queue, watch)
        finally:
            queue.close()

    return asyncio.run(run())


def doubled(items: list[Any]) -> list[Any]:
    return [2 * item for item in items]


def test_requests_that_arrive_together_are_computed_together() -> None:
    async def work(queue: Queue, watch: Watch) -> None:
        lane = Lane(doubled)
        found = await asyncio.gather(*(queue.submit(lane, [n]) for n in range(20)))
        assert found == [[2 * n] for n in range(20)]
        assert watch.sizes == [20]

    served(work)


def test_a_request_larger_than_a_batch_is_served_in_slices_and_in_order() -> None:
    async def work(queue: Queue, watch: Watch) -> None:
        assert await queue.submit(Lane(doubled, most=4), range(10)) == [2 * n for n in range(10)]
        assert watch.sizes == [4, 4, 2]

    served(work)


def test_a_record_larger_than_a_batch_is_served_alone() -> None:
    async def work(queue: Queue, watch: Watch) -> None:
        lane = Lane(doubled, most=4, cost=float)
        assert await queue.submit(lane, [1, 9, 1, 1]) == [2, 18, 2, 2]
        assert watch.sizes == [1, 1, 2]

    served(work)


def test_a_small_request_does_not_wait_for_all_of_a_large_one() -> None:
    computed: list[list[Any]] = []

    def noted(items: list[Any]) -> list[Any]:
        computed.append(items)
        return items

    async def work(queue: Queue, watch: Watch) -> None:
        lane, other = Lane(noted, most=3), Lane(noted, most=3)
        large = asyncio.ensure_future(queue.submit(lane, ["large"] * 30))
        await asyncio.sleep(0)
        await asyncio.gather(queue.submit(lane, ["small"]), queue.submit(other, ["other"]))
        flat = [item for batch in computed for item in batch]
        assert {"small", "other"} <= set(flat)
        assert not large.done()
        await large

    served(work)


def test_one_failing_request_never_stops_the_others() -> None:
    def strict(items: list[Any]) -> list[Any]:
        if "bad" in items:
            raise ValueError("bad")
        return items

    async def work(queue: Queue, watch: Watch) -> None:
        lane = Lane(strict)
        asked = [["a"], ["b", "bad"], ["c"]]
        found = await asyncio.gather(
            *(queue.submit(lane, each) for each in asked), return_exceptions=True
        )
        assert found[0] == ["a"]
        assert isinstance(found[1], ValueError)
        assert found[2] == ["c"]
        assert await queue.submit(lane, ["d"]) == ["d"]

    served(work)


def test_a_bad_record_is_told_by_its_number_in_its_own_request() -> None:
    def with_bad(items: list[Any]) -> list[Any]:
        return [BadRecord("it is bad") if item == "bad" else item for item in items]

    async def work(queue: Queue, watch: Watch) -> None:
        lane = Lane(with_bad)
        good, bad = queue.submit(lane, ["a", "b"]), queue.submit(lane, ["c", "bad"])
        found = await asyncio.gather(good, bad, return_exceptions=True)
        assert found[0] == ["a", "b"]
        assert isinstance(found[1], BadRecord)
        assert found[1].number == 1

    served(work)


def test_what_the_queue_has_no_room_for_is_refused_with_a_time_to_come_again() -> None:
    held = threading.Event()

    def slow(items: list[Any]) -> list[Any]:
        held.wait(30)
        return items

    async def work(queue: Queue, watch: Watch) -> None:
        lane = Lane(slow, most=1)
        waiting = [asyncio.ensure_future(queue.submit(lane, [n])) for n in range(4)]
        await asyncio.sleep(0.1)  # one is computed, three wait
        with pytest.raises(Refusal, match="limit `queue`") as refused:
            await queue.submit(lane, [5])
        assert refused.value.status == 429
        assert int(refused.value.headers()["retry-after"]) >= 1
        held.set()
        assert await asyncio.gather(*waiting) == [[n] for n in range(4)]

    served(work, max_queue=3)


def test_what_waits_longer_than_the_limit_is_refused_and_not_computed() -> None:
    held, computed = threading.Event(), list[Any]()

    def slow(items: list[Any]) -> list[Any]:
        held.wait(30)
        computed.extend(items)
        return items

    async def work(queue: Queue, watch: Watch) -> None:
        lane = Lane(slow, most=1)
        first = asyncio.ensure_future(queue.submit(lane, ["first"]))
        await asyncio.sleep(0.05)
        late = asyncio.ensure_future(queue.submit(lane, ["late"]))
        await asyncio.sleep(0.3)
        held.set()
        assert await first == ["first"]
        with pytest.raises(Refusal, match="limit `wait`"):
            await late
        assert computed == ["first"]

    served(work, max_wait=0.2)


def test_of_a_client_that_is_gone_nothing_more_is_computed() -> None:
    held, computed = threading.Event(), list[Any]()

    def slow(items: list[Any]) -> list[Any]:
        held.wait(30)
        computed.extend(items)
        return items

    async def work(queue: Queue, watch: Watch) -> None:
        lane = Lane(slow, most=1)
        gone = asyncio.ensure_future(queue.submit(lane, ["begun", "never", "never"]))
        other = asyncio.ensure_future(queue.submit(lane, ["other"]))
        await asyncio.sleep(0.05)
        gone.cancel()
        await asyncio.sleep(0)
        assert queue.items == 1
        held.set()
        assert await other == ["other"]
        assert computed == ["begun", "other"]
        assert queue.items == 0

    served(work)


def test_what_waits_when_the_queue_closes_is_refused() -> None:
    held = threading.Event()

    def slow(items: list[Any]) -> list[Any]:
        held.wait(30)
        return items

    async def work(queue: Queue, watch: Watch) -> None:
        lane = Lane(slow, most=1)
        first = asyncio.ensure_future(queue.submit(lane, [1]))
        second = asyncio.ensure_future(queue.submit(lane, [2]))
        await asyncio.sleep(0.05)
        queue.close()
        held.set()
        with pytest.raises(Refusal) as refused:
            await second
        assert refused.value.status == 503
        assert await first == [1]

    served(work)
