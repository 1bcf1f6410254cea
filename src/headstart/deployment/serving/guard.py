"""What every request passes first: host, origin, key and size; nothing behind it can be forgotten.

It stands before the application, so that a route that is added is guarded without a word.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from headstart.deployment.serving.connections import GONE, TASK
from headstart.deployment.serving.errors import Refusal, unavailable
from headstart.deployment.serving.keys import Keys
from headstart.deployment.serving.limits import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from headstart.deployment.serving.metrics import Metrics

#: Names by which a machine calls itself.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
#: Status of a request whose client was gone before its answer, as nginx counts it.
_GONE = 499
_SAFE = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]


class _Gone(Exception):
    """The client is gone before its request had arrived."""


class Guard:
    """An ASGI application before another one.

    Attributes:
        keys: of which each request needs one; None where none is needed. They may be exchanged.

    Args:
        local: whether the server listens to this machine alone. Without keys it then answers only
            to the names of this machine, so that no page of the web reaches it by a name that it
            has turned to 127.0.0.1 (DNS rebinding).
        say: is called with each line of the log.
        log: which requests are logged; never their contents.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        metrics: Metrics,
        *,
        keys: Keys | None,
        local: bool,
        say: Callable[[str], None],
        log: Literal["errors", "requests", "none"] = "errors",
    ) -> None:
        self._app, self._limits, self._metrics = app, limits, metrics
        self.keys = keys
        self._is_local, self._say, self._log = local, say, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        scope[TASK] = asyncio.current_task()
        start, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_SAFE]
            await send(message)

        try:
            headers = dict(scope["headers"])
            self._check(scope, headers)
            body = await self._body(headers, receive)
            await self._app(scope, _again(body, receive), sending)
        except Refusal as refusal:
            await refusal.response()(scope, receive, sending)
        except _Gone:
            status = _GONE
        except asyncio.CancelledError:
            if scope.get(GONE):
                status = _GONE
            elif not status:  # the server ends, and its time to do so is over
                await unavailable().response()(scope, receive, sending)
        except Exception as error:
            self._failed(scope, error)
            if not status:
                status = 500
                raise
        finally:
            seconds = time.perf_counter() - start
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.request(route, status or _GONE, seconds)
            if self._log == "requests":
                client = (scope.get("client") or ["-"])[0]
                line = f"{client} {scope['method']} {route} {status or _GONE}"
                self._say(f"{line} {1000 * seconds:.1f} ms")

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Refuse a request without a key, to another host, or from a page of another site."""
        host = headers.get(b"host", b"").decode("latin-1")
        if self.keys is not None:
            if not self.keys.admits(headers.get(b"authorization", b"").decode("latin-1")):
                raise Refusal(
                    401,
                    "a key is needed: send `Authorization: Bearer KEY` with one of the keys of "
                    "this server.",
                    "invalid_api_key",
                )
        elif self._is_local and _name_of(host) not in LOOPBACK:
            raise Refusal(
                403,
                "this server answers to this machine alone, as localhost or 127.0.0.1.",
                "host",
            )
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and origin.partition("://")[2] != host:
            raise Refusal(403, "pages of other sites may not use this server.", "origin")

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """Return the body, of which no more than the limit is ever read."""
        most = self._limits.body
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            raise self._too_large()
        message = await receive()
        if not message.get("more_body"):
            return bytes(message.get("body", b""))
        parts, size = bytearray(message["body"]), len(message["body"])
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            size += len(message["body"])
            if size > most:
                raise self._too_large()
            parts += message["body"]
        return bytes(parts)

    def _too_large(self) -> Refusal:
        most = self._limits.body / 2**20
        return Refusal(
            413,
            f"the body is larger than {most:g} MiB (limit `body`); send less at once.",
            "body",
        )

    def _failed(self, scope: Scope, error: Exception) -> None:
        """Log a defect: where it was raised, and nothing of what a client sent."""
        if self._log == "none":
            return
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
        route = getattr(scope.get("route"), "path", "other")
        self._say(f"{scope['method']} {route} failed: {type(error).__name__} at {where}")


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what hands on a body that was read, and then only that its client is gone."""
    left: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def handing() -> Message:
        return left.pop() if left else await receive()

    return handing


def _name_of(host: str) -> str:
    """Return a ``Host`` header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
