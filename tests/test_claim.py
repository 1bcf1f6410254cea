"""Nothing of a run is lost to another command: locks, markers, and replacements."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.claim import claimed, replacement, take_place
from headstart.config import PretrainConfig
from headstart.errors import HeadstartError
from headstart.run import MARKER, RunFolder

CONFIG = PretrainConfig(sources=["x.txt"], out="run")


def made(folder: Path) -> dict[str, bytes]:
    """Begin a run in a folder, put an encoder into it, and return its files."""
    with claimed(folder, fresh=True, overwrite=False) as run:
        run.begin("pretrain", CONFIG)
        (run.folder / "encoder").mkdir()
        (run.folder / "encoder/model.safetensors").write_bytes(b"weights")
    return files(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_second_process_is_told_which_one_is_in_the_run(tmp_path: Path) -> None:
    made(tmp_path / "run")
    here = f"process {os.getpid()} on {socket.gethostname()}"
    for overwrite in (False, True):
        with claimed(tmp_path / "run", fresh=False, overwrite=overwrite):
            for wish in ({"fresh": True, "overwrite": True}, {"fresh": False, "overwrite": False}):
                with (
                    pytest.raises(HeadstartError, match=f"{here} is at work on the run .*run; "),
                    claimed(tmp_path / "run", **wish),
                ):
                    pass
    with claimed(tmp_path / "run", fresh=False, overwrite=False):
        pass


def test_a_new_run_is_locked_before_it_is_begun(tmp_path: Path) -> None:
    with (
        claimed(tmp_path / "run", fresh=True, overwrite=False),
        pytest.raises(HeadstartError, match="is at work on the run"),
        claimed(tmp_path / "run", fresh=True, overwrite=False),
    ):
        pass


def test_the_lock_ends_with_its_process_though_its_children_live(tmp_path: Path) -> None:
    made(tmp_path / "run")
    code = (
        "import os, sys, time; from headstart.claim import claimed\n"
        "with claimed(sys.argv[1], fresh=False, overwrite=False):\n"
        "    child = os.fork()\n"  # such as a loader
        "    if child: print(child, flush=True)\n"
        "    time.sleep(60)"
    )
    script = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        with (
            pytest.raises(HeadstartError, match=f"process {process.pid} on"),
            claimed(tmp_path / "run", fresh=False, overwrite=False),
        ):
            pass
        process.kill()
        process.wait()
        with claimed(tmp_path / "run", fresh=False, overwrite=False):
            os.kill(child, signal.SIGKILL)  # it is there still


def test_a_replacement_takes_its_place_at_the_first_checkpoint_and_not_before(
    tmp_path: Path,
) -> None:
    before = made(tmp_path / "run")
    with claimed(tmp_path / "run", fresh=True, overwrite=True) as run:
        run.begin("pretrain", CONFIG)
        assert files(tmp_path / "run") == before
        assert "--overwrite" in run.command()
        (run.folder / "encoder").mkdir()
        open_file = open(run.folder / "log.txt", "a")  # noqa: SIM115
        take_place(run)
        assert "encoder/model.safetensors" not in files(tmp_path / "run")
        # What is open, and who knows the former path, goes on.
        print("one", file=open_file, flush=True)
        (run.folder / "metrics.jsonl").write_text("{}")
        assert (tmp_path / "run/log.txt").read_text() == "one\n"
        assert (tmp_path / "run/metrics.jsonl").exists()
        open_file.close()
        take_place(run)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_replacement_that_was_cut_off_is_gone_on_with_or_begun_anew(tmp_path: Path) -> None:
    before = made(tmp_path / "run")
    with claimed(tmp_path / "run", fresh=True, overwrite=True) as run:
        run.begin("pretrain", CONFIG)
        (run.folder / "log.txt").write_text("of the first")
    pending = replacement(tmp_path / "run")
    assert pending is not None
    assert files(tmp_path / "run") == before
    with claimed(tmp_path / "run", fresh=False, overwrite=True) as again:
        assert again.folder == pending.folder
        assert (again.folder / "log.txt").exists()
    with claimed(tmp_path / "run", fresh=True, overwrite=True) as anew:
        assert not anew.begun
    assert files(tmp_path / "run") == before


@pytest.mark.parametrize("moved", [0, 1, 2, 3])
def test_a_kill_while_the_places_change_loses_neither_run(moved: int, tmp_path: Path) -> None:
    """After so many of: the old one aside, the new one in its place, the link, the old deleted."""
    target, old = tmp_path / "run", tmp_path / ".run.headstart-old"
    before = made(target)
    with claimed(target, fresh=True, overwrite=True) as run:
        run.begin("pretrain", CONFIG)
        new = run.folder
    if moved > 0:
        target.rename(old)
    if moved > 1:
        new.rename(target)
    if moved > 2:
        new.symlink_to("run")
    with claimed(target, fresh=False, overwrite=moved == 0) as run:
        assert run.begun
        if moved:
            assert "encoder/model.safetensors" not in files(target)
        else:
            assert files(target) == before
    assert {path.name for path in tmp_path.iterdir()} <= {"run", ".run.headstart-new"}


def test_only_a_folder_that_is_a_run_of_ours_is_replaced(tmp_path: Path) -> None:
    other = tmp_path / "site"
    other.mkdir()
    (other / "config.yaml").write_text("verb: x\noptions: {}\nresolved: {}\n")
    (other / "thesis.tex").write_text("years")
    file = tmp_path / "file"
    file.write_text("x")
    for target in (other, file):
        for overwrite in (False, True):
            with (
                pytest.raises(HeadstartError, match="exists and is not a run folder"),
                claimed(target, fresh=True, overwrite=overwrite),
            ):
                pass
    assert sorted(files(other)) == ["config.yaml", "thesis.tex"]


def test_a_run_that_holds_something_of_the_users_is_not_replaced(tmp_path: Path) -> None:
    made(tmp_path / "run")
    (tmp_path / "run/notes.txt").write_text("mine")
    before = files(tmp_path / "run")
    with (
        pytest.raises(HeadstartError, match=r"also holds 'notes.txt', which no run writes"),
        claimed(tmp_path / "run", fresh=True, overwrite=True),
    ):
        pass
    assert files(tmp_path / "run") == before


def test_a_run_of_a_version_without_markers_is_known_by_its_config(tmp_path: Path) -> None:
    made(tmp_path / "run")
    (tmp_path / "run" / MARKER).unlink()
    with claimed(tmp_path / "run", fresh=True, overwrite=True) as run:
        assert run.folder.name == ".run.headstart-new"


def test_a_kill_before_the_config_is_written_leaves_a_folder_that_can_be_begun(
    tmp_path: Path,
) -> None:
    made(tmp_path / "run")
    shutil.rmtree(tmp_path / "run/encoder")
    (tmp_path / "run/config.yaml").rename(tmp_path / "run/.config.yaml.x.partial")
    assert not RunFolder(tmp_path / "run").begun
    with claimed(tmp_path / "run", fresh=True, overwrite=False) as run:
        run.begin("pretrain", CONFIG)


@pytest.mark.parametrize("name", ["x" * 246, "x" * 255, "ü" * 127])
def test_long_names_of_runs_are_taken_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    made(tmp_path / name)
    with claimed(tmp_path / name, fresh=True, overwrite=True) as run:
        run.begin("pretrain", CONFIG)
        take_place(run)
    with (
        pytest.raises(HeadstartError, match="at most 255 bytes; choose a shorter --out"),
        claimed(tmp_path / (name + "y" * 10), fresh=True, overwrite=False),
    ):
        pass


def test_the_command_to_go_on_with_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    out = tmp_path / "it's a run"
    words = shlex.split(RunFolder.create(out, "finetune", CONFIG).command())
    assert words == ["headstart", "finetune", "--resume", "--out", str(out)]
