"""`pretrain` and `evaluate` of a recommendation, killed at any moment, end with the same bits.

`benchmarks/resume.py` does the same at hundreds of random moments.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kills import Kills, assert_same_runs, assert_same_verdicts

#: A budget in which all settings are tried, so that the clock decides nothing.
PRETRAIN: dict[str, Any] = {
    **{"budget": "6steps", "checkpoint_steps": 2, "tracker": "none"},
    "encoder_options": {"width": 16, "layers": 1, "heads": 2},
}
EVALUATE: dict[str, Any] = {"alternatives_budget": "1h"}


class Whole:
    """A folder with events, a run and its evaluation that were never stopped."""

    def __init__(self, folder: Path, kills: Kills) -> None:
        self.folder, self.kills = folder, kills
        rows = [
            f"u{user},i{(7 * user + step) % 15},{step}"
            for user in range(30)
            for step in range(4 + user % 4)
        ]
        self.events = folder / "events.csv"
        self.events.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
        changes = self.pretrain("pretrain")[1]
        shutil.copytree(folder / "pretrain", folder / "judged")  # what is judged gains a file
        self.changes = {"pretrain": changes, "evaluate": self.evaluate("whole.html")[1]}

    def pretrain(self, out: str, **options: Any) -> list[int]:
        out, below = str(self.folder / out), self.folder
        return self.kills.verb(
            "pretrain", str(self.events), below=below, out=out, **{**PRETRAIN, **options}
        )

    def evaluate(self, out: str, **options: Any) -> list[int]:
        run, out = str(self.folder / "judged"), str(self.folder / out)
        return self.kills.verb(
            "evaluate", run, below=self.folder, out=out, **{**EVALUATE, **options}
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with Kills() as kills:
        yield Whole(tmp_path_factory.mktemp("items"), kills)


@pytest.mark.parametrize("moment", [0.1, 0.5, 0.9])
def test_a_killed_pretraining_goes_on(moment: float, whole: Whole) -> None:
    change = max(1, int(moment * whole.changes["pretrain"]))
    out = f"pretrain-{change}"
    assert whole.pretrain(out, kill={"change": change})[0] == -9
    assert whole.pretrain(out, resume=True)[0] == 0
    assert_same_runs(whole.folder / "pretrain", whole.folder / out)


@pytest.mark.parametrize("moment", [0.3, 0.98])
def test_a_killed_evaluation_is_done_again(moment: float, whole: Whole) -> None:
    ranking = whole.folder / "judged" / "ranking.json"
    before = json.loads(ranking.read_text()) if ranking.exists() else None
    change = max(1, int(moment * whole.changes["evaluate"]))
    out = f"{change}.html"
    assert whole.evaluate(out, kill={"change": change})[0] == -9
    assert whole.evaluate(out, overwrite=True)[0] == 0
    assert_same_verdicts(whole.folder / "whole.html", whole.folder / out)
    assert (json.loads(ranking.read_text()) if ranking.exists() else None) == before
