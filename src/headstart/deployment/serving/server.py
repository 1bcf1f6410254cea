"""A server from its first socket to its last answer: start, signals, exchange of runs, end."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import uvicorn

from headstart.config import ServeConfig
from headstart.deployment.serving.app import application
from headstart.deployment.serving.connections import connections
from headstart.deployment.serving.guard import LOOPBACK, Guard
from headstart.deployment.serving.keys import Keys
from headstart.deployment.serving.limits import Limits
from headstart.deployment.serving.metrics import Metrics
from headstart.deployment.serving.models import Models, Say
from headstart.deployment.serving.queue import Queue
from headstart.deployment.serving.service import Service
from headstart.errors import HeadstartError
from headstart.precision import threads

#: Open files beside those of the connections.
_FILES = 256
#: Seconds after which a thread of Python lets the other one go on. By default it is ten times as
#: long, and the compute thread, which asks for its turn after every operation of the network, is
#: held up by requests that are refused meanwhile.
_TURN = 0.0005


def serve(config: ServeConfig, say: Say, started: Callable[[Server], None] | None = None) -> str:
    """Serve until SIGTERM or SIGINT; SIGHUP opens the runs anew and exchanges them.

    Args:
        say: is called with messages and lines of the log.
        started: is called with the server when it listens.

    Returns:
        The address.

    Raises:
        HeadstartError: the port is in use, the address demands keys, or a run cannot be opened.
    """
    server = Server(config, say)
    try:
        server.run(started)
    finally:
        server.listening.close()
    return server.address


class Server:
    """A server that is bound to its port, with its runs opened; :meth:`run` answers requests.

    Raises:
        HeadstartError: see :func:`serve`.
    """

    def __init__(self, config: ServeConfig, say: Say) -> None:
        self._config, self._say = config, say
        local = is_local(config.host)
        if config.key_file is None and not local:
            raise HeadstartError(
                f"others can reach {config.host}, so that keys are needed; give --key-file FILE, "
                "or leave out --host."
            )
        keys = self._keys()
        self.listening = _bound(config.host, config.port)
        host, port = self.listening.getsockname()[:2]
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        try:
            # The event loop has a core of its own, where there are several.
            cores = threads(0)
            torch.set_num_threads(config.threads or max(1, cores - 1))
            models = Models(config, say)
        except BaseException:
            self.listening.close()
            raise
        limits = Limits.of(config)
        metrics = Metrics(
            lambda: self.service.queue.items, lambda: len(self._uvicorn.server_state.connections)
        )
        queue = Queue(
            limits,
            metrics,
            batch_wait=config.batch_wait / 1000,
            batch_seconds=config.batch_seconds,
        )
        self.service = Service(models, queue, limits, metrics)
        self.guard = Guard(
            application(self.service),
            limits,
            metrics,
            keys=keys,
            local=local,
            say=say,
            log=config.log,
        )
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                self.guard,
                http=connections(limits),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=max(1, round(config.grace)),
                backlog=min(4096, max(128, config.max_connections)),
            ),
            self._reload_soon,
        )
        self._reloading: asyncio.Task[None] | None = None

    def run(self, started: Callable[[Server], None] | None = None) -> None:
        """Answer requests until :meth:`stop`, or a signal; what has arrived is answered still."""
        _allow_files(self._config.max_connections + _FILES)
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
        factory = self._uvicorn.config.get_loop_factory()
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_TURN)
        try:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(self._run(started))
        finally:
            sys.setswitchinterval(interval)

    def stop(self) -> None:
        """End :meth:`run`; may be called from another thread."""
        self._uvicorn.should_exit = True

    async def reload(self) -> None:
        """Open the runs and the keys anew, and exchange them; requests keep what they began with.

        Where that fails, what was served goes on to be.
        """
        loop = asyncio.get_running_loop()
        try:
            keys = self._keys()
            opened = await loop.run_in_executor(None, self.service.models.reopened)
        except (HeadstartError, OSError) as error:
            self.service.metrics.reload("failed")
            self._say(f"nothing was exchanged: {error}")
            return
        self.guard.keys = keys
        self.service.models.exchange(opened)
        self.service.metrics.reload("done")
        self._say(f"exchanged {', '.join(opened)}")

    def _keys(self) -> Keys | None:
        file = self._config.key_file
        return None if file is None else Keys.read(Path(file))

    def _reload_soon(self) -> None:
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.get_running_loop().create_task(self.reload())

    async def _run(self, started: Callable[[Server], None] | None) -> None:
        names = ", ".join(self.service.models.all)
        self._say(f"serving {names} at {self.address}; Ctrl-C stops")
        if started is not None:
            asyncio.get_running_loop().call_soon(started, self)
        try:
            await self._uvicorn.serve(sockets=[self.listening])
        finally:
            self.service.queue.close()


class _Uvicorn(uvicorn.Server):
    """uvicorn with signals that end it cleanly, and one that exchanges what it serves."""

    def __init__(self, config: uvicorn.Config, reload: Callable[[], None]) -> None:
        super().__init__(config)
        self._reload = reload

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals in the event loop, and give them back."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        own = {signal.SIGINT: self._end, signal.SIGTERM: self._end}
        if hasattr(signal, "SIGHUP"):
            own[signal.SIGHUP] = self._reload
        before = {number: signal.getsignal(number) for number in own}
        for number, work in own.items():
            loop.add_signal_handler(number, work)
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

    def _end(self) -> None:
        """Stop; a second signal does not wait for what is being answered."""
        self.force_exit = self.should_exit
        self.should_exit = True


def is_local(host: str) -> bool:
    """Return whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, and does not listen yet.

    Raises:
        HeadstartError: the port is in use or not allowed, or the address is not of this machine.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise HeadstartError(f"--host {host!r} is no address of this machine.") from None
    bound = socket.socket(family, kind)
    try:
        if os.name == "posix":  # elsewhere it would let two servers have one port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # A port that is bound may be bound again until one of both listens.
        bound.listen(1)
    except OSError as error:
        bound.close()
        raise HeadstartError(
            f"port {port} of {host} cannot be used ({(error.strerror or 'refused').lower()}); "
            "choose another with --port, or stop what runs there."
        ) from None
    return bound


def _allow_files(count: int) -> None:
    """Let the process open as many files as it may have connections, as far as the system does."""
    try:
        import resource
    except ImportError:  # not on this system
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
