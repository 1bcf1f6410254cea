"""What a server measures of itself, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from headstart.version import __version__

#: Upper bounds of the seconds that are told apart, and of the records in a batch.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """Counts and times of requests, of the queue and of batches, in a registry of their own.

    Args:
        waiting: returns how many records wait.
        connections: returns how many connections are open.
    """

    def __init__(self, waiting: Callable[[], float], connections: Callable[[], float]) -> None:
        own = self._registry = CollectorRegistry()
        self._requests = Counter(
            "headstart_requests", "Requests by route and status.", ["route", "status"], registry=own
        )
        self._latency = Histogram(
            "headstart_request_seconds",
            "Seconds from the headers of a request to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=own,
        )
        self._waited = Histogram(
            "headstart_queue_seconds",
            "Seconds that a request waited for its computation.",
            buckets=_SECONDS,
            registry=own,
        )
        self._items = Histogram(
            "headstart_batch_items", "Records of a batch.", buckets=_ITEMS, registry=own
        )
        self._computed = Histogram(
            "headstart_batch_seconds",
            "Seconds that a batch was computed.",
            buckets=_SECONDS,
            registry=own,
        )
        self._reloads = Counter(
            "headstart_reloads", "Exchanges of runs, by their outcome.", ["outcome"], registry=own
        )
        for name, about, read in (
            ("headstart_queue_items", "Records that wait.", waiting),
            ("headstart_connections", "Open connections.", connections),
        ):
            Gauge(name, about, registry=own).set_function(read)
        version = Gauge("headstart_info", "The version.", ["version"], registry=own)
        version.labels(__version__).set(1)
        ProcessCollector(registry=own)
        self._by_route: dict[tuple[str, int], Counter] = {}
        self._times: dict[str, Histogram] = {}

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request; ``route`` is a path of the application, never what a client wrote."""
        counted = self._by_route.get((route, status))
        if counted is None:
            counted = self._by_route[route, status] = self._requests.labels(route, str(status))
        counted.inc()
        timed = self._times.get(route)
        if timed is None:
            timed = self._times[route] = self._latency.labels(route)
        timed.observe(seconds)

    def waited(self, seconds: float) -> None:
        """Count what a request waited."""
        self._waited.observe(seconds)

    def batch(self, items: int, seconds: float) -> None:
        """Count a batch."""
        self._items.observe(items)
        self._computed.observe(seconds)

    def reload(self, outcome: str) -> None:
        """Count an exchange of the runs: ``done`` or ``failed``."""
        self._reloads.labels(outcome).inc()

    def text(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self._registry)
