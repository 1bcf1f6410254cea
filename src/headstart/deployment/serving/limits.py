"""What a server takes at most: one table, which the docs print and every refusal names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from headstart.config import ServeConfig

#: Bytes of the request line and headers, and neighbours or items that a request may ask for.
HEADERS, COUNT = 32_768, 1000
#: Texts that may be generated at once.
STREAMS = 8


class Limit(NamedTuple):
    """One limit in words.

    Attributes:
        name: in refusals and in the table of the docs.
        value: with its unit.
        option: of ``headstart serve`` that changes it; empty where none does.
        status: of the answer to a request beyond it.
        meaning: what is limited.
    """

    name: str
    value: str
    option: str
    status: int
    meaning: str


@dataclass(frozen=True)
class Limits:
    """The limits of a server; see :class:`headstart.config.ServeConfig` for the options.

    Attributes:
        body: bytes of a request's body.
        items: records of a request.
        queue: records that wait.
        wait: seconds that a request waits before its computation begins.
        connections: open at the same time.
        tokens: that are generated for a request.
        read: seconds until a request has arrived.
    """

    body: int
    items: int
    queue: int
    wait: float
    connections: int
    tokens: int
    read: float

    @classmethod
    def of(cls, config: ServeConfig) -> Limits:
        """Return the limits that the options set."""
        return cls(
            body=int(config.max_body * 2**20),
            items=config.max_items,
            queue=config.max_queue,
            wait=config.max_wait,
            connections=config.max_connections,
            tokens=config.max_tokens,
            read=config.read_timeout,
        )

    def table(self) -> list[Limit]:
        """Return all limits in words, in the order in which a request meets them."""
        return [
            Limit(
                "connections",
                f"{self.connections:,}",
                "--max-connections",
                429,
                "open connections; one more is answered and closed",
            ),
            Limit("headers", f"{HEADERS // 1024} KiB", "", 431, "request line and headers"),
            Limit(
                "read",
                f"{self.read:g} s",
                "--read-timeout",
                408,
                "until the headers, and then the body, have arrived",
            ),
            Limit("body", _size(self.body), "--max-body", 413, "the body, counted as it arrives"),
            Limit("records", f"{self.items:,}", "--max-items", 413, "records of a request"),
            Limit(
                "record",
                "the run's length",
                "",
                422,
                'positions of a record: cut, or refused with `"truncate": false`',
            ),
            Limit("picture", "89 million", "", 422, "pixels of a picture, from its header"),
            Limit("count", f"{COUNT:,}", "", 422, "neighbours or items that are asked for"),
            Limit("tokens", f"{self.tokens:,}", "--max-tokens", 422, "tokens to generate"),
            Limit("streams", f"{STREAMS}", "", 429, "texts that are generated at once"),
            Limit("queue", f"{self.queue:,}", "--max-queue", 429, "records that wait"),
            Limit("wait", f"{self.wait:g} s", "--max-wait", 429, "in the queue, before its turn"),
        ]


def _size(count: int) -> str:
    return f"{count / 2**20:g} MiB" if count >= 2**20 else f"{count:,} bytes"
