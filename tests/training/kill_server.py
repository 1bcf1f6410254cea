"""Trains in child processes that die where they are ordered to; imports are paid for once.

Reads one JSON plan a line. Of a training: ``folder``, its ``options``, ``kill`` (``point`` and
``count``) or null, and ``world``. For each it forks as many processes that train together, or go on
training, in the folder, and are killed with SIGKILL when they come to the point for the count-th
time. Of a verb: its name under ``verb``, ``arguments`` and ``options``, the folder ``below`` which
changes of files are counted, and ``kill``: the ``change`` to die at, or the ``seconds`` until then.
Answers with the exit status, negative for a signal, and of a verb with the number of changes.
"""

from __future__ import annotations

import io
import json
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
from tiny_objective import TinyObjective, open_tiny, run_tiny

import headstart
from headstart.config import TrainingOptions
from headstart.downstream import semi_supervised  # noqa: F401 (imported before forking)
from headstart.training import checkpoint, fit, pretrain  # noqa: F401

GRACE = 20.0
#: What changes the file system.
CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "open"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def die_at(index: str, count: int, signum: int) -> None:
    """Arrange that this process gets ``signum`` at a point, coming there for the count-th time."""
    left = [count]

    def arrive(only_if: bool = True) -> bool:
        left[0] -= only_if
        return only_if and left[0] == 0

    def strike() -> None:
        if signum == signal.SIGKILL:
            os.kill(os.getpid(), signum)
        os.killpg(os.getpgrp(), signum)

    replace, save, forward = os.replace, torch.save, TinyObjective.forward
    adamw, forget_old = torch.optim.AdamW.step, checkpoint.forget_old

    def struck_replace(source: Any, target: Any) -> None:
        here = Path(target).suffix == ".ckpt" and arrive()
        if here and index == "rename":
            strike()
        replace(source, target)
        if here and index == "renamed":
            strike()

    def struck_save(content: Any, file: Any) -> None:
        if not arrive():
            return save(content, file)
        whole = io.BytesIO()
        save(content, whole)
        file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
        file.flush()
        strike()

    def struck_forward(self: TinyObjective, batch: Any) -> Any:
        if arrive(self.training == (index == "step")):
            strike()
        return forward(self, batch)

    def struck_optimizer(self: Any, closure: Callable[[], Any] | None = None) -> Any:
        result = adamw(self, closure)
        if arrive():
            strike()
        return result

    def struck_forget(folder: Path) -> None:
        if arrive():
            strike()
        forget_old(folder)

    if index in ("rename", "renamed"):
        os.replace = struck_replace
    elif index == "write":
        torch.save = struck_save
    elif index in ("step", "validation"):
        TinyObjective.forward = struck_forward  # type: ignore[method-assign]
    elif index == "optimizer":
        torch.optim.AdamW.step = struck_optimizer  # type: ignore[method-assign]
    elif index == "forget":
        checkpoint.forget_old = struck_forget
    else:
        raise ValueError(index)


class Changes:
    """Counts what this process does to the files below a folder, before it is done.

    Args:
        last: the process kills itself instead of doing this one, counted from 1; 0 never.
    """

    def __init__(self, folder: str, last: int) -> None:
        self.count, self._folder, self._last = 0, folder, last
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in CHANGES or (event == "open" and not args[2] & WRITES):
            return
        if isinstance(args[0], str | os.PathLike) and os.fspath(args[0]).startswith(self._folder):
            self.count += 1
            if self.count == self._last:
                os.kill(os.getpid(), signal.SIGKILL)


def verb(plan: dict[str, Any], answer: int) -> int:
    """Call a verb, and write the number of changes of files to ``answer``."""
    kill = plan["kill"] or {}
    changes = Changes(plan["below"], kill.get("change", 0))
    if "seconds" in kill:
        timer = threading.Timer(kill["seconds"], os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    try:
        getattr(headstart, plan["verb"])(*plan["arguments"], **plan["options"])
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return getattr(error, "exit_code", 1)
    finally:
        os.write(answer, str(changes.count).encode())
    return 0


def forked(work: Callable[[], int]) -> int:
    """Do the work in a child, which never returns into the server's loop."""
    process = os.fork()
    if process == 0:
        os._exit(work())
    return process


def child(plan: dict[str, Any], rank: int, port: int) -> int:
    os.setpgrp()
    if plan["world"] > 1:
        names = {"RANK": rank, "LOCAL_RANK": rank, "MASTER_PORT": port}
        names |= {"WORLD_SIZE": plan["world"], "LOCAL_WORLD_SIZE": plan["world"], "GROUP_RANK": 0}
        os.environ.update({name: str(value) for name, value in names.items()})
        os.environ.update(MASTER_ADDR="127.0.0.1", TORCHELASTIC_RUN_ID="test")
    if plan["kill"]:
        die_at(plan["kill"]["point"], plan["kill"]["count"], plan["kill"].get("signal", 9))
    try:
        run_tiny(Path(plan["folder"]), **plan["options"])
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return getattr(error, "exit_code", 1)
    return 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(processes: list[int]) -> list[int]:
    """Return the exit statuses of a group; after the first death the others have ``GRACE`` seconds.

    They may fail before they come to the same point, or wait for the dead one, which is what
    torchrun and ``launch`` would end.
    """
    statuses: dict[int, int] = {}
    deadline = math.inf
    while len(statuses) < len(processes):
        for process in set(processes) - set(statuses):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                statuses[process] = os.waitstatus_to_exitcode(status)
                if statuses[process] and deadline == math.inf:
                    deadline = time.monotonic() + GRACE
            elif time.monotonic() > deadline:
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)
    return list(statuses.values())


def main() -> None:
    for line in sys.stdin:
        plan = json.loads(line)
        if "verb" in plan:
            reader, writer = os.pipe()
            process = forked(lambda plan=plan, writer=writer: verb(plan, writer))
            os.close(writer)
            status = wait([process])[0]
            with open(reader) as answer:
                print(status, answer.read() or 0, flush=True)
            continue
        port = free_port()
        # As the verbs do it: one process makes the folder, and then the group starts.
        known = {k: v for k, v in plan["options"].items() if k in TrainingOptions.model_fields}
        open_tiny(Path(plan["folder"]), **known)
        processes = [
            forked(lambda rank=rank, plan=plan, port=port: child(plan, rank, port))
            for rank in range(plan["world"])
        ]
        print(min(wait(processes)), flush=True)


if __name__ == "__main__":
    main()
