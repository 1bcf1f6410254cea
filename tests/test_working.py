"""Outside of a terminal a long step says that it is at work; with --quiet nothing is said."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import headstart as hs
from headstart import working as module
from headstart.verbs import reading
from headstart.working import working


def test_a_step_says_how_far_it_is_while_it_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.01)
    said: list[str] = []
    told = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        told.set()

    with working("reading", None, say) as progress:
        assert told.wait(5)
        progress(1200, 0)
        told.clear()
        assert told.wait(5)
        told.clear()
        assert told.wait(5)
        assert said[0] == "reading: 0.0 min"
        assert said[-1] == "reading: 0.0 min, 1,200 records"
        progress(30, 120)
        for _ in range(2):  # the first may have begun before
            told.clear()
            assert told.wait(5)
    assert re.fullmatch(r"reading: 0.0 min, 30 of 120 \(25%\), about \d\.\d min left", said[-1])
    count = len(said)
    threading.Event().wait(0.05)
    assert len(said) == count


def test_a_short_step_says_nothing_and_a_terminal_has_a_bar() -> None:
    said: list[str] = []
    with working("reading", None, said.append):
        pass
    screen = io.StringIO()
    with working("reading", Console(file=screen, force_terminal=True), said.append) as progress:
        progress(1, 2)
    assert said == []
    assert "1 of 2" in screen.getvalue()


def test_quiet_prints_nothing_and_is_no_option_of_the_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    texts = [f"a {word} text" for word in ("red", "blue", "old", "new", "fast", "slow", "good")]
    options = {"budget": "2steps", "tracker": "none", "encoder_options": {"width": 8}}
    run = hs.pretrain(texts, out=tmp_path / "run", quiet=True, **options)
    assert capfd.readouterr() == ("", "")
    assert "quiet" not in run.config()["options"]
    assert run.resolved["reading_seconds"] <= run.resolved["preparation_seconds"]
    hs.pretrain(texts, out=tmp_path / "loud", **options)
    assert "step 2 of 2" in capfd.readouterr().err


def test_a_long_step_of_a_quiet_verb_says_nothing_either(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "EVERY", 0.01)
    told = threading.Event()

    def say(line: str) -> None:
        reading.say(line)
        told.set()

    with reading.speaking():
        reading.hush({"quiet": True})
        with working("reading", reading.console(), say):
            assert told.wait(5)
    assert capfd.readouterr().err == ""


def test_every_verb_says_that_a_long_step_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "EVERY", 0.001)
    names = ("red", "blue", "old", "new", "fast", "slow")
    texts = [f"a {name} {thing} sleeps" for name in names for thing in ("fox", "hare")]
    labeled = (texts, ["fox" if "fox" in text else "hare" for text in texts])
    quick: dict[str, Any] = {"budget": "2steps", "tracker": "none"}
    run = hs.pretrain(texts, out=tmp_path / "run", encoder_options={"width": 8}, **quick)
    few: dict[str, Any] = {"train": labeled, "labels": ["all"], "seeds": 2}
    tuned: list[hs.Run] = []
    verbs: dict[str, Callable[[], Any]] = {
        "reading the labeled records": lambda: tuned.append(
            run.finetune(labeled, out=tmp_path / "tuned", **quick)
        ),
        "predicting": lambda: tuned[0].predict(texts),
        "reading the inputs": lambda: run.embed(texts),
        "searching": lambda: run.search(texts, query="a fox"),
        "choosing what to label": lambda: run.label(texts, count=3, out=tmp_path / "label.csv"),
        "comparing": lambda: hs.compare(run, tuned[0], out=tmp_path / "c.html", **few),
        "auditing": lambda: hs.audit(texts),
    }
    capfd.readouterr()
    for title, verb in verbs.items():
        verb()
        assert f"{title}: 0.0 min" in capfd.readouterr().err, title
