"""What a run, or one that it began from, was trained on is never tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

import headstart as hs
from headstart.errors import HeadstartError
from headstart.modalities.interactions.trained import Trained

SMALL: dict[str, Any] = {
    "budget": "1steps",
    "tracker": "none",
    "encoder_options": {"width": 16, "layers": 1, "heads": 2},
}


def by_chance(path: Path, users: int = 40, cut: int = 0) -> str:
    """Write users with items by chance, without their latest ``cut``."""
    rng = np.random.default_rng(0)
    lines = ["user_id,item_id,timestamp"]
    for user in range(users):
        items = rng.integers(20, size=8).tolist()
        lines += [f"u{user},i{item},{time}" for time, item in enumerate(items[: 8 - cut])]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def records(**items: str) -> Dataset:
    return Dataset.from_dict(
        {"id": list(items), "items": [each.split() for each in items.values()]}
    )


def test_digests_tell_whether_more_was_seen() -> None:
    trained = Trained().then(records(a="1 2 3", b="4 5"))
    assert trained.beyond(records(a="1 2 3", b="4 5", new="6"), exact=True) == (0, "")
    assert trained.beyond(records(a="1 2", b="4 5"), exact=True) == (1, "a")
    assert trained.beyond(records(a="1 2 3"), exact=True) == (1, ""), "a user is gone"
    then = trained.then(records(a="1 2 3 7", b="4 5"))
    assert len(then.last) == 2
    assert then.earlier.beyond(records(a="1 2 3 7", b="4 5")) == (0, ""), "it saw less"
    assert then.earlier.beyond(records(a="1 2", b="4 5")) == (1, "a")
    assert then.earlier.beyond(records(c="9")) == (0, ""), "other users do not matter"


def test_a_start_that_saw_what_is_tested_is_refused(tmp_path: Path) -> None:
    source, every = by_chance(tmp_path / "chance.csv"), str(tmp_path / "every")
    hs.pretrain(source, out=every, settings=["interactions.hold_out=none"], **SMALL)
    out = str(tmp_path / "on")
    last = ["interactions.hold_out=last"]
    hs.pretrain(source, out=out, encoder=every, settings=last, budget="1steps", tracker="none")
    with pytest.raises(HeadstartError, match="began from another one, whose training saw items"):
        hs.evaluate(out, alternatives_budget="1s")
    fresh = str(tmp_path / "fresh")
    hs.pretrain(source, out=fresh, settings=last, **SMALL)
    with pytest.raises(HeadstartError, match="on was trained on items of 39 users"):
        hs.evaluate(fresh, against=[out], alternatives_budget="1s")


def test_going_on_with_the_same_records_is_judged(tmp_path: Path) -> None:
    source, first = by_chance(tmp_path / "chance.csv"), str(tmp_path / "first")
    hs.pretrain(source, out=first, **SMALL)
    out = str(tmp_path / "on")
    hs.pretrain(source, out=out, encoder=first, budget="1steps", tracker="none")
    found = hs.evaluate(out, alternatives_budget="1s")
    assert not any("saw" in note for note in found.notes)


@pytest.mark.parametrize("named", [False, True])
def test_records_that_were_cut_since_are_refused(tmp_path: Path, named: bool) -> None:
    path = tmp_path / "chance.csv"
    out = str(tmp_path / "run")
    hs.pretrain(by_chance(path), out=out, **SMALL)
    by_chance(path, cut=2)
    with pytest.raises(HeadstartError, match=r"39 users, such as 'u0', are missing or have other"):
        hs.evaluate(out, alternatives_budget="1s", **({"train": str(path)} if named else {}))


def test_users_who_came_later_are_tested_too(tmp_path: Path) -> None:
    path = tmp_path / "chance.csv"
    out = str(tmp_path / "run")
    hs.pretrain(by_chance(path), out=out, **SMALL)
    with open(path, "a") as file:
        file.write("later,i1,1\nlater,i2,2\nlater,i3,3\n")
    assert hs.evaluate(out, alternatives_budget="1s").users == 41
