"""Trains in child processes that die where they are ordered to; imports are paid for once.

Reads one JSON plan a line: ``folder``, ``options`` of the training, ``kill`` (``point`` and
``count``) or null, and ``world``. For each it forks as many processes that train together, or go on
training, in the folder, and are killed with SIGKILL when they come to the point for the count-th
time. Answers with the exit status, negative for a signal.
"""

from __future__ import annotations

import io
import json
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
from tiny_objective import TinyObjective, open_tiny, run_tiny

from headstart.config import TrainingOptions
from headstart.training import checkpoint, fit  # noqa: F401 (imported before forking)

GRACE = 20.0


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
        plan, port, processes = json.loads(line), free_port(), []
        # As the verbs do it: one process makes the folder, and then the group starts.
        known = {k: v for k, v in plan["options"].items() if k in TrainingOptions.model_fields}
        open_tiny(Path(plan["folder"]), **known)
        for rank in range(plan["world"]):
            process = os.fork()
            if process == 0:
                # A child never returns into the server's loop.
                os._exit(child(plan, rank, port))
            processes.append(process)
        print(min(wait(processes)), flush=True)


if __name__ == "__main__":
    main()
