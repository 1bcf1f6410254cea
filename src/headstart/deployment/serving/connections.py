"""Connections: how many there are, how slowly a request may arrive, and what becomes of the rest.

uvicorn waits for a request as long as a client likes, and takes headers of any size. Here each
request has to arrive within a time, its headers within a size, and a client that goes away ends the
work on its request.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from headstart.deployment.serving.errors import Refusal
from headstart.deployment.serving.limits import HEADERS, Limits

#: Bytes of a refused body that are still read and dropped, so that its client gets to the answer.
_DROPPED = 16 * 2**20
#: Where :class:`.guard.Guard` leaves the task of a request in its scope.
TASK = "headstart.task"
#: What says in the scope that its client is gone.
GONE = "headstart.gone"
#: Seconds that a client beyond the limit of connections has to send something.
_PATIENCE = 2.0


class Connection(HttpToolsProtocol):
    """One connection; :func:`connections` makes the class with the limits of a server."""

    limits: ClassVar[Limits]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or refuse, a connection."""
        self._reading = self._is_refused = False
        self._headers = self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_refused = len(self.connections) >= self.limits.connections
        super().connection_made(transport)  # type: ignore[arg-type]
        if self._is_refused:
            self._arm(_PATIENCE)
        else:
            self._arm(self.limits.read)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the work on the request of a client that is gone."""
        self._disarm()
        super().connection_lost(exc)
        scope = cast("dict[str, Any]", self.scope or {})
        task = scope.get(TASK)
        if task is not None and not task.done():
            scope[GONE] = True
            task.cancel()

    def data_received(self, data: bytes) -> None:
        """Read a part of a request, within its time and size."""
        if self._is_refused:
            self._answer(_too_many(self.limits))
            return
        if self._reading and self.cycle is not None and self.cycle.response_complete:
            self._dropped += len(data)
            if self._dropped > _DROPPED:
                self.transport.abort()
                return
        super().data_received(data)
        if self.transport is None or self.transport.is_closing():
            return
        if self._reading:
            if self._timer is None:
                self._arm(self.limits.read)
        elif self._timer is not None:
            self._disarm()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._reading, self._headers = True, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Read a part of the request line."""
        if not self._is_too_long(len(url)):
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header."""
        if not self._is_too_long(len(name) + len(value)):
            super().on_header(name, value)

    def on_message_complete(self) -> None:
        """End a request, which has arrived in time."""
        self._reading, self._dropped = False, 0
        super().on_message_complete()

    def _is_too_long(self, count: int) -> bool:
        self._headers += count
        if self._headers <= HEADERS:
            return False
        if not self.transport.is_closing():
            self._answer(
                Refusal(
                    431,
                    f"the request line and headers have more than {HEADERS // 1024} KiB (limit "
                    "`headers`).",
                    "headers",
                )
            )
        return True

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        begun = self.cycle is not None and self.cycle.response_started
        if not self._reading or begun or self._is_refused:  # nobody asked for anything
            self.transport.abort()
            return
        seconds = self.limits.read
        self._answer(
            Refusal(
                408, f"the request took longer than {seconds:g} seconds (limit `read`).", "read"
            )
        )

    def _answer(self, refusal: Refusal) -> None:
        """Write an answer without the application, and close the connection."""
        body = refusal.body()
        fields = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            **refusal.headers(),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        line = f"HTTP/1.1 {refusal.status} Refused\r\n"
        self.transport.write(f"{line}{head}\r\n".encode() + body)
        self.transport.close()


def connections(limits: Limits) -> type[Any]:
    """Return the class of a server's connections."""
    return type("Connection", (Connection,), {"limits": limits})


def _too_many(limits: Limits) -> Refusal:
    return Refusal(
        429,
        f"{limits.connections:,} connections are open already (limit `connections`); send the "
        "request again later.",
        "connections",
        retry_after=1,
    )
