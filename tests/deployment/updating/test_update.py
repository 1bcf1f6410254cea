"""`headstart update`: learned, judged, swapped, taken back; and killed at any step."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from kills import Kills

import headstart as hs
from headstart.deployment.updating import gate, versions
from headstart.deployment.updating.versions import Versions
from headstart.deployment.updating.views import matched
from headstart.errors import HeadstartError
from headstart.run import RunFolder
from headstart.stored import is_whole
from headstart.verbs import updating

FRUITS, TOOLS = ("apple", "pear", "plum", "fig"), ("saw", "axe", "drill", "file")
OLD = {"fruit": FRUITS[:2], "tool": TOOLS[:2]}
NEW = {"fruit": FRUITS[2:], "tool": TOOLS[2:]}
SMALL = {"budget": "30steps", "tracker": "none", "names": "off", "alternatives": False}


def write(file: Path, words: dict[str, tuple[str, ...]], count: int, seed: int) -> Path:
    draw = random.Random(seed)
    rows = []
    for index in range(count):
        label = ("fruit", "tool")[index % 2]
        text = " ".join([*draw.choices(words[label], k=2), str(draw.random())[2:8]])
        rows.append(json.dumps({"text": text, "label": label}) + "\n")
    file.write_text("".join(rows))
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with labeled records and a run that learned from the earlier ones."""
    found = tmp_path_factory.mktemp("updating")
    write(found / "old.jsonl", OLD, 80, 0)
    write(found / "val.jsonl", OLD, 40, 1)
    write(found / "new.jsonl", NEW, 200, 2)
    both = {name: OLD[name] + NEW[name] for name in OLD}
    texts = write(found / "texts.jsonl", both, 200, 3)
    hs.pretrain(
        texts,
        out=found / "base",
        budget="30steps",
        tracker="none",
        encoder_options={"width": 16},
    )
    return found


def tuned(folder: Path, name: str) -> hs.Run:
    """Return a run that learned from the earlier records; it is trained once and copied."""
    first = folder / "tuned"
    if not first.exists():
        hs.finetune(
            folder / "base",
            train=folder / "old.jsonl",
            val=folder / "val.jsonl",
            out=first,
            **SMALL,
        )
    return hs.Run(shutil.copytree(first, folder / name))


def test_an_update_is_taken_listed_and_taken_back(folder: Path) -> None:
    run = tuned(folder, "run")
    run.index(folder / "old.jsonl", out=folder / "index")
    report = run.update(new=folder / "new.jsonl", budget="60steps", index=folder / "index")
    assert report.current == 2, str(report)
    assert os.readlink(folder / "run") == "run.versions/2"
    (_, row) = report.to_dict()["versions"]
    assert row["new"]["candidate"] > row["new"]["incumbent"]
    assert row["old"]["high"] >= 0
    again = hs.Run(folder / "run")
    assert again.predict("plum fig")[0]["label"] == "fruit"
    for version in (1, 2, 1):  # the index knows both
        if version != hs.update(again, history=True).current:
            hs.update(again, rollback=version, index=folder / "index")
        assert len(again.search(query="apple pear", index=folder / "index", count=3)) == 3
        assert hs.update(again, history=True).current == version
    with pytest.raises(HeadstartError, match=r"version 7 of .* does not exist"):
        hs.update(again, rollback=7)
    third = again.update(new=folder / "new.jsonl", budget="1steps", seed=1)
    assert [row["version"] for row in third.versions] == [1, 2, 3]


def test_what_is_worse_on_earlier_records_is_refused(folder: Path) -> None:
    run = tuned(folder, "kept")
    rows = [json.loads(line) for line in (folder / "old.jsonl").read_text().splitlines()] * 3
    swapped = [{**row, "label": {"fruit": "tool", "tool": "fruit"}[row["label"]]} for row in rows]
    before = run.predict("apple pear")[0]
    report = run.update(new=swapped, replay=0, budget="60steps")
    assert report.current == 1
    assert "is refused: it is clearly worse on the earlier records" in report.said
    assert run.predict("apple pear")[0] == before
    assert not (folder / "kept").is_symlink()
    with pytest.raises(HeadstartError, match=r"version 2 of .* was refused; there is 1"):
        hs.update(run, rollback=2)
    assert hs.update(run, rollback=1).said.endswith("is version 1 already.")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "give one of new, history and rollback"),
        ({"new": "x", "rollback": 1}, "give one of new, history and rollback"),
        ({"new": "few.jsonl"}, "2 new records are held out, and 30 are needed"),
        ({"new": "old.jsonl", "held_out": "few.jsonl"}, "earlier records are held out"),
        ({"rollback": 2}, "version 2 of .* does not exist; there is 1"),
        ({"new": "old.jsonl", "index": "qdrant:here"}, "is a store, which has no records"),
        ({"new": "none.jsonl"}, "none.jsonl"),
    ],
)
def test_what_cannot_be_updated_is_one_sentence_and_loses_nothing(
    folder: Path, tmp_path: Path, options: dict[str, Any], sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    if not Path("refused").exists():
        tuned(folder, "refused")
    write(Path("few.jsonl"), NEW, 10, 5)
    with pytest.raises(HeadstartError, match=sentence):
        hs.update("refused", budget="1steps", discard=True, **options)
    assert RunFolder.open("refused").finished
    assert hs.update("refused", history=True).current == 1


def test_a_full_disk_loses_nothing_and_the_same_command_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tuned(folder, "full")
    real, left = os.fsync, [0]

    def full(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    for room in (0, 4, 12):
        left[0] = room
        with pytest.raises(HeadstartError, match="disk is full"):
            run.update(new=folder / "new.jsonl", budget="2steps")
        assert run.predict("apple pear")[0]["label"] in {"fruit", "tool"}
        assert hs.update(run, history=True).current == 1
    monkeypatch.undo()
    report = run.update(new=folder / "new.jsonl", budget="2steps")
    assert [row["version"] for row in report.versions] == [1, 2]


def test_a_pretraining_learns_without_labels_and_is_judged_by_views(folder: Path) -> None:
    place = folder / "words"
    shutil.copytree(folder / "base", place)
    with pytest.raises(HeadstartError, match=r"no earlier records that .* name some with held_out"):
        hs.update(place, new=folder / "new.jsonl", budget="1steps")
    report = hs.update(
        place,
        new=folder / "new.jsonl",
        held_out=folder / "val.jsonl",
        budget="1steps",
        anchor=5.0,
        discard=True,
    )
    (_, row) = report.versions
    assert (row["old"]["records"], row["new"]["records"]) == (40, 40)
    assert 0 < row["new"]["incumbent"] <= 1
    assert row["anchor"] == 5.0
    assert row["taken"] == (report.current == 2)


def test_the_views_of_a_record_find_each_other(folder: Path) -> None:
    run = RunFolder.open(folder / "base")
    different = Dataset.from_dict(
        {"id": list("abc"), "text": ["apple apple", "saw saw", "drill drill"]}
    )
    assert matched(run, different, 0).tolist() == [1, 1, 1]
    same = Dataset.from_dict({"id": list("ab"), "text": ["fig fig", "fig fig"]})
    assert matched(run, same, 0).tolist() == [1, 0]  # of two that are alike, one is taken


def test_what_cannot_be_gone_on_with_is_one_sentence(folder: Path) -> None:
    with pytest.raises(HeadstartError, match=r"this run has a head, which keeps .* by replay"):
        hs.update(tuned(folder, "anchored"), new=folder / "new.jsonl", anchor=1.0)
    config = folder / "anchored" / "config.yaml"
    for task in ("regression", "multilabel"):
        config.write_text(re.sub(r"\btask: \w+", f"task: {task}", config.read_text()))
        with pytest.raises(HeadstartError, match=f"was fine-tuned for {task}, and .* anew on all"):
            hs.update(folder / "anchored", new=folder / "new.jsonl")
    with pytest.raises(HeadstartError, match="there is no run at"):
        hs.update(folder / "nothing", new=folder / "new.jsonl")
    assert not (folder / "nothing.versions").exists()


@pytest.fixture(scope="module")
def kills() -> Iterator[Kills]:
    with Kills() as found:
        yield found


class Stop(BaseException):
    """What ends an update at a step, as a signal would."""


#: What an update consists of: where it is called, its name, and which call of it is meant.
STEPS: dict[str, tuple[Any, str, int]] = {
    "new records are read": (updating, "_read", 1),
    "a replay is drawn": (updating, "_mixed", 1),
    "records are stored": (Dataset, "save_to_disk", 2),
    "the plan is written": (Versions, "note", 1),
    "the candidate has learned": (updating, "_learned", 1),
    "both are judged": (updating, "_judged", 1),
    "the index is completed": (updating, "_index", 1),
    "the decision is written": (Versions, "note", 2),
    "the pointer is replaced": (Versions, "_point_to", 1),
    "the records are deleted": (versions, "delete", 5),
}


def test_stopped_after_each_step_nothing_is_lost_and_the_same_command_ends_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training and scores are stubs here: that they go on after a kill is shown elsewhere."""
    place = folder / "stopped"

    def learned(*_: Any, out: str, **__: Any) -> RunFolder:
        shutil.rmtree(out, ignore_errors=True)
        return RunFolder(shutil.copytree(folder / "tuned", out))

    def right(run: RunFolder, records: Dataset) -> np.ndarray:
        return np.full(len(records), float(run.folder.resolve().name == "2"))

    def stopped_after(home: Any, name: str, call: int) -> Any:
        real, calls = getattr(home, name), [0]

        def stopping(*given: Any, **options: Any) -> Any:
            found = real(*given, **options)
            calls[0] += 1
            if calls[0] == call:
                raise Stop
            return found

        return stopping

    monkeypatch.setattr(updating, "finetune", learned)
    monkeypatch.setattr(gate, "right", right)
    for home, name, call in STEPS.values():
        tuned(folder, place.name)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(home, name, stopped_after(home, name, call))
            with pytest.raises(Stop):
                hs.update(place, new=folder / "new.jsonl", quiet=True)
        assert RunFolder.open(place).finished
        assert is_whole(RunFolder.open(place).require_encoder())
        report = hs.update(place, new=folder / "new.jsonl", quiet=True)
        assert [row["version"] for row in report.versions] == [1, 2], name
        assert (report.current, Versions(place).pending()) == (2, None)
        assert is_whole(Versions(place).place(1) / "encoder")
        place.unlink()
        shutil.rmtree(Versions(place).folder)


def test_killed_at_many_steps_the_run_is_there_and_the_same_command_ends_the_update(
    folder: Path, kills: Kills
) -> None:
    """The process dies instead of a change of a file, from the first to the last of them."""
    usual = {"new": str(folder / "new.jsonl"), "budget": "2steps"}

    def update(place: Path, kill: dict[str, Any] | None = None) -> list[int]:
        return kills.verb("update", str(place), below=folder, kill=kill, **usual)

    whole = tuned(folder, "whole")
    status, changes = update(folder / "whole")
    assert status == 0
    wanted = hs.update(whole, history=True)
    for moment in (0.4, 0.98):  # in its training, and in its decision
        place = folder / f"killed-{moment}"
        tuned(folder, place.name)
        assert update(place, {"change": max(1, int(moment * changes))})[0] == -9
        assert RunFolder.open(place).finished
        assert update(place)[0] == 0
        found = hs.update(place, history=True)
        assert found.current == wanted.current
        assert [row.get("new") for row in found.versions] == [
            row.get("new") for row in wanted.versions
        ]
