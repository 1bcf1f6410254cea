"""Where an evaluation writes: beside a run that may not be written, and twice at once."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import headstart as hs


def state(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_may_not_be_written_stays_as_it_is(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    access = os.access

    def locked(path: Any, mode: int, **options: Any) -> bool:
        return not (str(path).startswith(str(run)) and mode & os.W_OK) and access(
            path, mode, **options
        )

    monkeypatch.setattr(os, "access", locked)
    before = state(run)
    hs.evaluate(str(run), alternatives_budget="2s")
    (report,) = (tmp_path / "cache").rglob("report.html")
    assert report.with_suffix(".json").is_file()
    assert hs.recommend(str(run), history="i4,i5", count=1).to_dict()["recommendations"]
    assert state(run) == before


def test_two_evaluations_at_once_leave_whole_files(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    with ThreadPoolExecutor(2) as both:
        found = list(
            both.map(lambda seed: hs.evaluate(str(copy), alternatives_budget="2s"), (0, 1))
        )
    assert found[0].to_dict()["tested"] == found[1].to_dict()["tested"]
    assert (copy / "report.html").read_text().endswith("</html>\n")
    assert not list(copy.rglob("*.partial"))
