"""The run is a link to one of its versions, which changes in one step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.deployment.updating import versions as module
from headstart.deployment.updating.gate import Verdict, compared
from headstart.deployment.updating.versions import Versions
from headstart.errors import HeadstartError


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    """Return the versions of a run of one file, with a second one that can be taken."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "one.txt").write_text("1")
    made = Versions(run)
    (made.folder / "2").mkdir(parents=True)
    (made.folder / "2" / "one.txt").write_text("2")
    return made


def read(versions: Versions) -> str:
    return (versions.run / "one.txt").read_text()


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_version_is_taken_and_taken_back(
    versions: Versions, can_exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can_exchange:
        monkeypatch.setattr(module, "_exchanged", lambda one, other: False)
    assert (versions.current, versions.numbers(), read(versions)) == (1, [1], "1")
    versions.decide(2, {"taken": True})
    assert (versions.current, versions.numbers(), read(versions)) == (2, [1, 2], "2")
    assert versions.run.is_symlink()
    versions.swap(1)
    assert (versions.current, versions.numbers(), read(versions)) == (1, [1, 2], "1")
    versions.swap(2)
    assert read(versions) == "2"
    with pytest.raises(HeadstartError, match=r"version 3 of .* does not exist; there is 1, 2"):
        versions.swap(3)


def test_a_refused_version_is_deleted_and_remembered(versions: Versions) -> None:
    versions.note(2, "plan.json", {})
    assert versions.pending() == 2
    versions.decide(2, {"taken": False})
    assert (versions.current, versions.numbers(), versions.judged()) == (1, [1], [2])
    assert not (versions.folder / "2").exists()
    assert versions.next() == 3
    assert versions.pending() is None
    with pytest.raises(HeadstartError, match="version 2 of"):
        versions.swap(2)


def test_killed_at_every_step_of_a_decision_the_next_one_ends_it(
    tmp_path: Path, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    steps = 0
    for name in ("replace", "symlink"):
        real = getattr(os, name)

        def stop(*arguments: Any, real: Any = real, **options: Any) -> None:
            nonlocal steps
            steps -= 1
            if steps == 0:
                raise Killed
            real(*arguments, **options)

        monkeypatch.setattr(os, name, stop)
    for at in range(1, 9):
        steps = at
        try:
            versions.decide(2, {"taken": True})
            break
        except Killed:
            pass
        assert read(versions) in "12"  # the run is there all the time
        if versions.current == 2 and at > 1:
            steps = 0
            with versions.locked() as ended:
                assert ended in (2, None)
            assert (versions.current, read(versions)) == (2, "2")
            break
    with versions.locked():
        pass
    assert read(versions) in "12"


def test_the_run_is_back_where_two_steps_were_cut_off(versions: Versions) -> None:
    os.replace(versions.run, versions.folder / "1")
    with versions.locked():
        assert read(versions) == "1"


def test_two_updates_at_once_are_refused_in_a_sentence(versions: Versions) -> None:
    with (
        versions.locked(),
        pytest.raises(HeadstartError, match="another process updates"),
        Versions(versions.run).locked(),
    ):
        pass


def test_a_version_is_no_run_to_update(versions: Versions) -> None:
    with pytest.raises(HeadstartError, match="is a version; name the run itself"):
        Versions(versions.folder / "2")
    link = versions.run.with_name("link")
    link.symlink_to("run")
    with pytest.raises(HeadstartError, match="is a link to run, which is no version"):
        _ = Versions(link).current


def test_what_falls_beyond_its_interval_is_refused() -> None:
    def score(before: float, after: float, records: int = 400) -> Any:
        draw = np.random.default_rng(0)
        one = (draw.random(records) < before).astype(float)
        return compared(one, np.where(draw.random(records) < abs(after - before) * 2,
                                      float(after > before), one), 0)  # fmt: skip

    better, worse, same = score(0.6, 0.8), score(0.8, 0.5), score(0.7, 0.7)
    assert better.low > 0
    assert worse.fell
    assert not same.fell
    assert Verdict(old=same, new=better).taken
    assert not Verdict(old=worse, new=better).taken
    assert "earlier" in Verdict(old=worse, new=better).reason
    assert not Verdict(old=same, new=worse).taken
    assert not Verdict(old=same, new=same).taken
