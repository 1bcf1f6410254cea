"""A protocol and a task from another package serve a kind of data that headstart has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import headstart as hs
from headstart.errors import HeadstartError

MODULE = '''
from dataclasses import replace

from pydantic import Field

from headstart.config import Options, task_options
from headstart.downstream.classification import Classification
from headstart.evaluation.protocols.classification import PROTOCOL


class Counted(Options):
    """How many labels."""

    most: int = Field(5, ge=1, description="Most labels.")


def measure(data, config):
    """Take no more labels than the option says."""
    most = task_options(config, Counted).most
    return PROTOCOL.measure(data, config.model_copy(update={"labels": [str(most)]}))


LEVELS = replace(PROTOCOL, about="How often is the level right?", measure=measure, Options=Counted)
HIDDEN = replace(PROTOCOL, about="What is hidden?", needs=frozenset({"two_streams"}))


class Levels(Classification):
    """Levels, told as classes."""

    name = "levels"
    Options = Counted

    @classmethod
    def build(cls, encoder, records, config):
        head = super().build(encoder, records, config)
        head.labels = head.labels[: task_options(config, Counted).most]
        return head
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


def test_its_options_reach_it_and_are_kept(run: hs.Run, tmp_path: Path) -> None:
    labeled = str(tmp_path / "labeled.jsonl")
    report = run.evaluate(labeled, task="levels", settings=["levels.most=6"], seeds=2)
    assert list(report.results.counts) == [6]
    assert "--set levels.most=6" in run.report_file.read_text(encoding="utf-8")
    tuned = run.finetune(
        labeled,
        task="levels",
        settings=["levels.most=2"],
        out=str(tmp_path / "tuned"),
        budget="4steps",
        tracker="none",
    )
    assert tuned.config()["options"]["task_options"] == {"levels": {"most": 2}}


@pytest.mark.parametrize(
    ("task", "settings", "sentence"),
    [
        ("levels", ["levels.mast=6"], "'mast'; did you mean 'most'"),
        ("levels", ["levels.most=0"], "option 'levels.most' must be at least 1"),
        ("levels", ["lefels.most=6"], "nothing is called 'lefels'; did you mean 'levels'"),
        ("classification", ["levels.most=6"], "'levels', and this one is 'classification'"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(
    run: hs.Run, tmp_path: Path, task: str, settings: list[str], sentence: str
) -> None:
    nowhere = str(tmp_path / "nowhere.csv")
    with pytest.raises(HeadstartError, match=re.escape(sentence)):
        run.evaluate(nowhere, task=task, settings=settings)
    with pytest.raises(HeadstartError, match=re.escape(sentence)):
        run.finetune(nowhere, task=task, settings=settings, out=str(tmp_path / "refused"))
    assert not (tmp_path / "refused").exists()


def test_a_task_of_evaluation_alone_is_named_as_one(run: hs.Run, tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match=r"`headstart evaluate .* --task retrieval`"):
        run.finetune("nowhere.csv", task="retrieval", out=str(tmp_path / "refused"))


def test_a_task_of_another_kind_of_data_is_refused_with_those_of_this(
    run: hs.Run, tmp_path: Path
) -> None:
    with pytest.raises(HeadstartError, match=r"'detection' reads pictures, .* texts: .*levels"):
        run.finetune("nowhere.csv", task="detection", out=str(tmp_path / "refused"))
