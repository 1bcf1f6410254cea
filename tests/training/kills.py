"""Trainings in processes that are killed, and the comparison of what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from headstart.run import RunFolder
from headstart.training import checkpoint

SERVER = Path(__file__).with_name("kill_server.py")
SOURCES = str(Path(__file__).resolve().parents[2] / "src")


class Kills:
    """A server of trainings, each in processes of its own; imports are paid for once."""

    def __init__(self) -> None:
        path = os.pathsep.join([SOURCES, *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        self._server = subprocess.Popen(
            [sys.executable, str(SERVER)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Kills:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.kill()
        self._server.communicate()

    def train(
        self, folder: Path, kill: dict[str, Any] | None = None, *, world: int = 1, **options: Any
    ) -> int:
        """Train, or go on training, in ``folder``; return the exit status, negative for a signal.

        ``kill`` names the point to die at, ``count``: at which arrival, and the ``signal``.
        """
        plan = {"folder": str(folder), "options": options, "kill": kill, "world": world}
        return self._ask(plan)[0]

    def verb(
        self,
        name: str,
        *arguments: str,
        below: Path,
        kill: dict[str, Any] | None = None,
        **options: Any,
    ) -> list[int]:
        """Call a verb; return its exit status, and how often it changed a file ``below``.

        ``kill`` is the ``change`` that it dies at, counted from 1, or the ``seconds`` until then.
        """
        plan = {"verb": name, "arguments": arguments, "options": options}
        return self._ask({**plan, "below": str(below), "kill": kill})

    def _ask(self, plan: dict[str, Any]) -> list[int]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(plan) + "\n")
        self._server.stdin.flush()
        return [int(number) for number in self._server.stdout.readline().split()]


def logged(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of metrics.jsonl without what depends on the clock."""
    rows = RunFolder(folder).metrics()
    return [{key: value for key, value in row.items() if key != "clock"} for row in rows]


def saved(folder: Path) -> dict[str, Any]:
    """Return weights, buffers, optimizer state and counts of the last checkpoint."""
    path = checkpoint.newest(folder / "checkpoints")
    assert path is not None
    content = checkpoint.read(path)
    content["headstart"]["counts"].pop("seconds")
    return {name: content[name] for name in ("state_dict", "optimizer_states", "headstart")}


def assert_same_runs(one: Path, two: Path) -> None:
    """Compare all that two trainings have written, but for what is measured by the clock."""
    others = ("features/", "index/")  # of verbs that use a run
    files = [
        {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
        for run in (one, two)
    ]
    odd = [name for name in files[0] ^ files[1] if not name.startswith(others)]
    assert not odd, odd
    assert logged(one) == logged(two)
    for name in files[0] & files[1]:
        if name.startswith(("encoder/", "head/")) or name.endswith("audit.json"):
            assert (one / name).read_bytes() == (two / name).read_bytes(), name
    resolved = [RunFolder(run).resolved for run in (one, two)]
    for values in resolved:
        for clock in ("reading_seconds", "preparation_seconds"):
            values.pop(clock, None)
    assert resolved[0] == resolved[1], resolved
    assert_same_bits(saved(one), saved(two))


def assert_same_verdicts(one: Path, two: Path) -> None:
    """Compare two evaluations of a recommendation, but for what is measured by the clock."""
    found = [json.loads(page.with_suffix(".json").read_text()) for page in (one, two)]
    for values in found:
        values.pop("about")
        for candidate in values["candidates"]:
            candidate.pop("milliseconds")
    assert found[0] == found[1]
    for page in (one, two):
        assert page.read_text().endswith("</html>\n")


def assert_same_bits(one: Any, two: Any, where: str = "") -> None:
    if isinstance(one, torch.Tensor):
        assert one.dtype == two.dtype, where
        assert torch.equal(one, two), where
    elif isinstance(one, dict):
        assert one.keys() == two.keys(), where
        for key in one:
            assert_same_bits(one[key], two[key], f"{where}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(two), where
        for index, (first, second) in enumerate(zip(one, two, strict=True)):
            assert_same_bits(first, second, f"{where}/{index}")
    else:
        assert one == two, where
