"""`pretrain` and `finetune`, killed at any moment, end by the same command with the same bits.

`benchmarks/resume.py` does the same at hundreds of random moments.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kills import Kills, assert_same_runs

WORDS = ("red", "fox", "lazy", "dog", "runs", "over", "brown", "hare")
TEXTS = [f"the {a} {b} {c} and the {d}" for a in WORDS for b in WORDS for c in WORDS for d in "xy"]
SMALL = {"checkpoint_steps": 2, "tracker": "none", "encoder_options": {"width": 16}}
TUNED = {"budget": "6steps", "checkpoint_steps": 2, "tracker": "none", "validate_steps": 2}


class Whole:
    """A folder with sources, and one run of each verb that was never stopped."""

    def __init__(self, folder: Path, kills: Kills) -> None:
        self.folder, self.kills = folder, kills
        (folder / "texts.txt").write_text("\n".join(TEXTS[::4]))
        rows = [{"text": t, "label": "fox" if "fox" in t else "other"} for t in TEXTS[::9]]
        (folder / "labeled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.calls: dict[str, tuple[str, dict[str, Any]]] = {
            "pretrain": (str(folder / "texts.txt"), {"budget": "6steps", **SMALL}),
            "finetune": (
                str(folder / "pretrain"),
                {"train": str(folder / "labeled.jsonl"), **TUNED},
            ),
        }
        self.changes = {verb: self.call(verb, verb)[1] for verb in self.calls}

    def call(self, verb: str, out: str, **options: Any) -> list[int]:
        source, usual = self.calls[verb]
        out = str(self.folder / out)
        return self.kills.verb(verb, source, below=self.folder, out=out, **{**usual, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with Kills() as kills:
        yield Whole(tmp_path_factory.mktemp("runs"), kills)


@pytest.mark.parametrize("moment", [0.02, 0.3, 0.5, 0.7, 0.98])
@pytest.mark.parametrize("verb", ["pretrain", "finetune"])
def test_killed_at_a_change_of_its_files(verb: str, moment: float, whole: Whole) -> None:
    """The process dies instead of writing, moving or removing a file."""
    change = max(1, int(moment * whole.changes[verb]))
    out = f"{verb}-{change}"
    assert whole.call(verb, out, kill={"change": change})[0] == -9
    assert whole.call(verb, out, resume=True)[0] == 0
    assert_same_runs(whole.folder / verb, whole.folder / out)


@pytest.mark.parametrize("verb", ["pretrain", "finetune"])
def test_killed_again_and_again_by_the_clock(verb: str, whole: Whole) -> None:
    seconds, status = 0.1, -9
    while status == -9:
        kill = {"seconds": seconds}
        status = whole.call(verb, f"{verb}-chain", resume=True, kill=kill)[0]
        seconds *= 2
    assert status == 0
    assert_same_runs(whole.folder / verb, whole.folder / f"{verb}-chain")


@pytest.mark.parametrize("moment", [0.1, 0.5, 0.9])
def test_killed_while_it_replaces_a_run(moment: float, whole: Whole) -> None:
    """Up to its first checkpoint the former run is as it was; in the end it is the new one."""
    out = f"old-{moment}"
    assert whole.call("pretrain", out, seed=1)[0] == 0
    former = {p: p.read_bytes() for p in (whole.folder / out).rglob("*") if p.is_file()}
    change = int(moment * whole.changes["pretrain"])
    assert whole.call("pretrain", out, overwrite=True, kill={"change": change})[0] == -9
    # Before its first checkpoint has a name, nothing of the former run has changed.
    if moment < 0.5:
        now = {p: p.read_bytes() for p in (whole.folder / out).rglob("*") if p.is_file()}
        assert now == former
    assert whole.call("pretrain", out, overwrite=True, resume=True)[0] == 0
    assert_same_runs(whole.folder / "pretrain", whole.folder / out)
    assert not [p for p in whole.folder.iterdir() if p.name.startswith(".")]
