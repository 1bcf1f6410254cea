"""Several processes of one training on one machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_group import (
    first_is_refused,
    gather_then_disagree,
    records_are_given_to_each,
    second_is_killed,
)

from headstart.errors import CutOff, HeadstartError
from headstart.run import RunFolder
from headstart.training.processes import ProcessGroup, check_devices, launch


def test_processes_meet_and_agree_and_their_error_comes_back(tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match=r"^rank 1 found a mistake$"):
        launch(2, gather_then_disagree, tmp_path)
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == [
        "0 of 2: 3 from rank 0",
        "1 of 2: 3 from rank 0",
    ]
    assert ProcessGroup.here() == ProcessGroup()
    assert "RANK" not in os.environ


def started_as_torchrun_would(arguments: list[str], world: int = 2) -> list[tuple[int, str, str]]:
    """Run ``headstart`` in several processes; return exit status, output and errors of each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test"}
    group |= {"WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "GROUP_RANK": 0}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "headstart", *arguments],
            env=os.environ | {k: str(v) for k, v in (group | indices).items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for indices in ({"RANK": rank, "LOCAL_RANK": rank} for rank in range(world))
    ]
    outputs = [process.communicate() for process in processes]
    return [(p.returncode, *texts) for p, texts in zip(processes, outputs, strict=True)]


def test_under_torchrun_the_first_process_makes_the_run_and_the_others_join_it(
    tmp_path: Path,
) -> None:
    source = tmp_path / "a.txt"
    lines = [f"the {a} {b} runs" for a in ("quick", "sly", "old") for b in ("fox", "hare", "cat")]
    source.write_text("\n".join(f"{line} over {n} hills" for line in lines for n in range(5)))
    arguments = ["pretrain", str(source), "--out", str(tmp_path / "run"), "--budget", "3steps"]
    arguments += ["--encoder", "light", "--tracker", "none"]
    ended = started_as_torchrun_would(arguments)
    assert [status for status, _, _ in ended] == [0, 0], ended
    assert [bool(out) for _, out, _ in ended] == [True, False]
    assert [err.count("reading the sources") for _, _, err in ended] == [1, 0]
    run = RunFolder.open(tmp_path / "run")
    assert run.finished
    assert run.resolved["steps"] == 3


def test_what_is_refused_to_the_first_is_refused_to_all(tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match=r"^only rank 0 tried$"):
        launch(2, first_is_refused, tmp_path)
    outputs = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert outputs == {"0": "only rank 0 tried", "1": "only rank 0 tried"}


def test_records_in_memory_are_stored_by_the_first_process_alone(tmp_path: Path) -> None:
    launch(2, records_are_given_to_each, tmp_path)
    (stored,) = (tmp_path / "run.data").glob("*/*.parquet")
    assert [(tmp_path / rank).read_text() for rank in "01"] == [str(stored)] * 2


def test_more_processes_than_cores_are_refused_before_anything_is_read() -> None:
    with pytest.raises(HeadstartError, match=r"--devices 4096 is more than this machine has: \d+"):
        check_devices(4096)
    check_devices(1)


def test_a_process_that_is_killed_is_named() -> None:
    with pytest.raises(CutOff, match=r"process 2 of 2 was ended from outside \(SIGKILL\)"):
        launch(2, second_is_killed)
