"""Checkpoints are whole, and can run nothing."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_objective import TinyObjective, run_tiny

from headstart.errors import HeadstartError
from headstart.files import DiskFull
from headstart.training import checkpoint
from headstart.training.checkpoint import write


class Payload:
    """Would create a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def test_a_planted_payload_is_refused_and_does_not_run(tmp_path: Path) -> None:
    run_tiny(tmp_path / "run", checkpoint_steps=4)
    planted = tmp_path / "run/checkpoints/step-000000099.ckpt"
    torch.save({"state_dict": {}, "headstart": Payload(tmp_path / "owned")}, planted)
    with pytest.raises(HeadstartError, match=r"step-000000099.ckpt holds objects that could run"):
        run_tiny(tmp_path / "run", checkpoint_steps=4)
    assert not (tmp_path / "owned").exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_bare_pickle_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "step-000000001.ckpt").write_bytes(pickle.dumps(Payload(tmp_path / "owned")))
    with pytest.raises(HeadstartError, match=r"every checkpoint in .* is damaged"):
        checkpoint.newest(tmp_path)
    with pytest.raises(HeadstartError, match="could run code"):
        checkpoint.read(tmp_path / "step-000000001.ckpt")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_newest_falls_back_to_the_one_before(damage: str, tmp_path: Path) -> None:
    run_tiny(tmp_path, checkpoint_steps=4)
    newest = tmp_path / "checkpoints/step-000000012.ckpt"
    whole = bytearray(newest.read_bytes())
    at = whole.index(TinyObjective().average.new_tensor(12 * 1.0).numpy().tobytes())
    whole[at] ^= 1
    newest.write_bytes({"cut": whole[:-99], "flipped": whole, "empty": b""}[damage])
    _, outcome, run = run_tiny(tmp_path, checkpoint_steps=4)
    assert outcome.resumed_from == 8
    assert outcome.steps == 12
    assert run.log_file.read_text().count("step-000000012.ckpt is damaged; going back") == 1


def test_a_folder_in_the_place_of_a_checkpoint_is_named_before_anything_is_done(
    tmp_path: Path,
) -> None:
    # It could neither be written over at its step nor deleted as an old one.
    checkpoint.path_of(tmp_path, 2).mkdir()
    checkpoint.write({"step": 4}, checkpoint.path_of(tmp_path, 4))
    with pytest.raises(HeadstartError, match=r"step-000000002.ckpt is a folder; move it away"):
        checkpoint.newest(tmp_path)


def test_a_full_disk_leaves_the_checkpoint_before_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, calls = torch.save, []

    def save_on_a_full_disk(content: Any, file: Any) -> None:
        calls.append(file)
        if len(calls) < 3:
            return save(content, file)
        with open("/dev/full", "wb") as full:
            save(content, full)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save_on_a_full_disk)
        with pytest.raises(HeadstartError, match=r"the disk is full.* a training with --resume"):
            run_tiny(tmp_path, checkpoint_steps=2)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-000000002.ckpt", "step-000000004.ckpt"]
    _, outcome, _ = run_tiny(tmp_path, checkpoint_steps=2)
    assert outcome.resumed_from == 4


def test_only_the_newest_two_are_kept_and_broken_writes_are_swept(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/.step-000000001.ckpt.x.partial").write_bytes(b"half")
    folder = tmp_path / "checkpoints"
    for step in (3, 12, 100):
        checkpoint.write({"step": step}, checkpoint.path_of(folder, step))
    checkpoint.forget_old(folder)
    assert sorted(p.name for p in folder.iterdir()) == [
        "step-000000012.ckpt",
        "step-000000100.ckpt",
    ]
    found = checkpoint.newest(folder)
    assert found is not None
    assert checkpoint.read(found) == {"step": 100}


def test_a_disk_that_is_full_in_the_middle_of_a_checkpoint_is_named(tmp_path, monkeypatch):
    """torch may find bytes missing before the system reports why."""

    def stops(content, file):
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 16")

    monkeypatch.setattr("torch.save", stops)
    with pytest.raises(DiskFull, match="the disk is full"):
        write({"step": 1}, tmp_path / "step-1.ckpt")
    assert not [*tmp_path.iterdir()]
