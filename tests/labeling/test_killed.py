"""`label` that is killed, wherever, and begun again ends as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headstart import files
from headstart.config import LabelConfig
from headstart.encoders.opening import save_encoder
from headstart.labeling.label import label
from headstart.modalities.image.processor import ImageProcessor


class Killed(BaseException):
    """Stands for SIGKILL, after which no clean-up of Python runs."""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        pixels = np.full((16, 16, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"p{number}.png")
    return folder


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Return a run with a tiny encoder of pictures, which keeps the vectors that are computed."""
    from scenery import tiny_conv

    folder = tmp_path / "run"
    note = {"modality": "image", "length": 32}
    save_encoder(tiny_conv(), ImageProcessor(32), folder / "encoder", note)
    (folder / "config.yaml").write_text("verb: pretrain\noptions: {}\nresolved: {}\n")
    return folder


@pytest.fixture
def ended() -> int:
    """Return the number of a process that is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def killed_at(moment: int, work: Any, process: int) -> bool:
    """Do work as a process that is killed at its n-th renaming; return whether it was.

    Before each of them what is written is whole, and not yet in its place.
    """
    steps, replace = count(), os.replace

    def counted(*arguments: Any) -> None:
        if next(steps) >= moment:
            raise Killed
        replace(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: process)
        files._scratch.cache_clear()
        patch.setattr(os, "replace", counted)
        # What `finally` does is not done, for a killed process does nothing more.
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        try:
            work()
        except Killed:
            return True
        finally:
            files._scratch.cache_clear()
    return False


def left_in(folder: Path) -> Iterator[str]:
    return (str(path.relative_to(folder)) for path in sorted(folder.rglob("*")))


def test_label_goes_on_after_a_kill_at_any_moment(
    photos: Path, run_folder: Path, ended: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    given = {"run": str(run_folder), "unlabeled": [str(photos)], "count": 3}

    def work(out: Path) -> Any:
        return label(LabelConfig(**given, out=str(out / "next.csv")), say=lambda _: None)

    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    rows = work(undisturbed).rows
    kept = list(left_in(run_folder))
    for moment in count():
        folder = tmp_path / f"killed-{moment}"
        folder.mkdir()
        if not killed_at(moment, lambda folder=folder: work(folder), ended):
            break
        if not (folder / "next.csv").exists():
            assert work(folder).rows == rows
        files.scratch()  # as the next command, whichever it is, begins
        for name in left_in(undisturbed):
            assert (folder / name).is_dir() or (
                (folder / name).read_bytes() == (undisturbed / name).read_bytes()
            )
        assert list(left_in(folder)) == list(left_in(undisturbed))
        assert list(left_in(run_folder)) == kept
        assert not any(f".{ended}." in name for name in left_in(tmp_path / "temporary"))
    assert moment >= 2
