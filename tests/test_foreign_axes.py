"""A protocol and a task from another package serve a kind of data that headstart has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import headstart as hs
from headstart.errors import HeadstartError

MODULE = '''
from dataclasses import replace

from headstart.downstream.classification import Classification
from headstart.evaluation.protocols.classification import PROTOCOL

LEVELS = replace(PROTOCOL, about="How often is the level right?")
HIDDEN = replace(PROTOCOL, about="What is hidden?", needs=frozenset({"two_streams"}))


class Levels(Classification):
    """Levels, told as classes."""
'''
POINTS = {
    "headstart.protocols": {"levels": "leveling:LEVELS", "hidden": "leveling:HIDDEN"},
    "headstart.tasks": {"levels": "leveling:Levels"},
}


@pytest.fixture
def run(install: Callable[..., Path], tmp_path: Path) -> hs.Run:
    """A tiny run, in a world where the package is installed."""
    install("leveling", POINTS, leveling=MODULE)
    rows = [
        {"text": f"{level} tide number {number} at the bridge", "label": level}
        for number in range(30)
        for level in ("high", "low")
    ]
    (tmp_path / "labeled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return hs.pretrain(
        str(tmp_path / "labeled.jsonl"),
        out=str(tmp_path / "run"),
        encoder="light",
        encoder_options={"width": 16},
        budget="4steps",
        tracker="none",
    )


def test_it_measures_what_provides_what_it_needs(run: hs.Run, tmp_path: Path) -> None:
    labeled = str(tmp_path / "labeled.jsonl")
    report = run.evaluate(labeled, task="levels", labels=["all"], seeds=2)
    assert report.summary()["scores"]
    with pytest.raises(HeadstartError, match="'hidden' needs two streams"):
        run.evaluate(labeled, task="hidden", labels=["all"], seeds=2)


def test_it_is_fine_tuned_and_predicts(run: hs.Run, tmp_path: Path) -> None:
    labeled = str(tmp_path / "labeled.jsonl")
    tuned = run.finetune(
        labeled, task="levels", out=str(tmp_path / "tuned"), budget="4steps", tracker="none"
    )
    assert {row["label"] for row in tuned.predict(labeled)} <= {"high", "low"}
