"""Several processes of one training on one machine, started as by torchrun."""

from __future__ import annotations

import atexit
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as distributed

from headstart.errors import CutOff, HeadstartError
from headstart.ranks import launched
from headstart.stopping import ENDING
from headstart.training.interrupt import Interrupted, Signals

#: Timeout of collectives: one process may prepare data for hours while the others wait. The
#: launcher notices at once when a process dies.
_PATIENCE = timedelta(days=7)


@dataclass(frozen=True)
class ProcessGroup:
    """Rank and number of processes, in total and on this machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @classmethod
    def here(cls) -> ProcessGroup:
        """Read the environment that torchrun or :func:`launch` sets."""
        return cls(*(launched() or ()))

    def join(self) -> None:
        """Join the process group."""
        if self.world > 1 and not distributed.is_initialized():
            if torch.cuda.is_available():
                torch.cuda.set_device(self.local_rank)
            backend = "nccl" if torch.cuda.is_available() else "gloo"
            distributed.init_process_group(backend, timeout=_PATIENCE)

    def meet(self) -> None:
        """Wait for all processes (barrier)."""
        if self.world > 1:
            distributed.barrier()

    def first(self, work: Callable[[], object]) -> None:
        """Run ``work`` in the first process while the others wait.

        Raises:
            HeadstartError: the work raised it; then all processes do, with its exit code.
        """
        if self.world == 1:
            work()
            return
        self.join()
        failed: HeadstartError | None = None
        if self.rank == 0:
            try:
                work()
            except HeadstartError as error:
                failed = error
        shared = self.share(failed and (str(failed), getattr(failed, "exit_code", 1)))
        if failed is not None:
            raise failed
        if shared is not None:
            raise SharedError(*shared)

    @staticmethod
    def leave() -> None:
        """Leave the process group at interpreter exit, after success.

        The group's threads must end before the interpreter, or it aborts. After an error they must
        not be awaited, since other processes may be waiting for this one.
        """
        atexit.unregister(_part)
        atexit.register(_part)

    def share(self, value: Any) -> Any:
        """Return rank 0's value on every process."""
        if self.world == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]


class SharedError(HeadstartError):
    """An error of the first process, raised in all of them."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def _part() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def check_devices(devices: int) -> None:
    """Refuse more processes than this machine has GPUs or, without any, cores.

    Raises:
        HeadstartError: there are more.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    most = gpus or os.cpu_count() or 1
    if devices > most:
        raise HeadstartError(
            f"--devices {devices} is more than this machine has: {most} "
            f"{'GPU' if gpus else 'core'}{'s' if most > 1 else ''}; lower it."
        )


def launch(devices: int, work: Callable[..., None], *args: Any) -> None:
    """Run ``work(*args)`` in ``devices`` new processes that form one group, and wait for them.

    SIGTERM and SIGHUP are forwarded to them; Ctrl-C reaches them from the terminal.

    Raises:
        HeadstartError: one of them raised it.
        CutOff: one of them was cut off, or killed.
    """
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    failures = torch.multiprocessing.get_context("spawn").SimpleQueue()
    signals = Signals()
    with signals.caught():
        group = torch.multiprocessing.start_processes(
            _process,
            args=(devices, port, failures, work, args),
            nprocs=devices,
            join=False,
            start_method="spawn",
        )
        terminated = False
        try:
            while not group.join(timeout=0.5):
                if signals.received in ENDING and not terminated:
                    terminated = True
                    for process in group.processes:
                        process.terminate()
        except torch.multiprocessing.ProcessRaisedException:
            if failures.empty():
                raise
        except torch.multiprocessing.ProcessExitedException as error:
            if failures.empty():
                raise CutOff(
                    f"process {error.error_index + 1} of {devices} was ended from outside "
                    f"({error.signal_name or f'exit code {error.exit_code}'}), most likely because "
                    "the memory is full; lower --devices or --batch-size, or go on with --resume."
                ) from None
    if not failures.empty():
        kind, *known = failures.get()
        raise kind(*known)


def _process(
    rank: int,
    world: int,
    port: int,
    failures: Any,
    work: Callable[..., None],
    args: tuple[Any, ...],
) -> None:
    environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}
    os.environ.update({name: str(value) for name, value in environment.items()})
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    os.environ.update(TORCHELASTIC_RUN_ID="headstart", GROUP_RANK="0")
    try:
        work(*args)
    except HeadstartError as error:
        if isinstance(error, Interrupted):
            failures.put((Interrupted, str(error), error.exit_code - 128))
        else:
            failures.put((CutOff if isinstance(error, CutOff) else HeadstartError, str(error)))
        # The others may be waiting for this one in a collective operation: leave with an error.
        raise SystemExit(0 if isinstance(error, Interrupted) else 1) from None
    _part()
