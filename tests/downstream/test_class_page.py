"""After fine-tuning each class has a place on a page, with what it is taken for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import headstart as hs
from headstart.downstream import finetune

TEXTS = [
    f"the {a} {b} sleeps" for a in ("red", "sly", "old", "wet") for b in ("fox", "hare", "owl")
]
OPTIONS = {"budget": "2steps", "tracker": "none"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hs.Run:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    return hs.pretrain(TEXTS, out=out, encoder_options={"width": 8}, **OPTIONS)


def test_mistakes_are_shown_with_what_they_were_taken_for(run: hs.Run, tmp_path: Path) -> None:
    # One text has two labels, so one of them must be mistaken for the other.
    texts = ["the same <text>"] * 40 + ["something else"] * 20
    labels = ["one"] * 30 + ["two"] * 10 + ["three"] * 20
    held = (
        ["the same <text>"] * 4 + ["something else"] * 2,
        ["one", "two", "two", "one", "three", "three"],
    )
    tuned = run.finetune(
        (texts, labels), val=held, out=tmp_path / "tuned", alternatives=False, **OPTIONS
    )
    page = tuned.classes_file.read_text(encoding="utf-8")
    assert "<h2>two</h2>" in page
    assert "0 of 2 are found. The others are taken for one (2)." in page
    assert "the same &lt;text&gt;" in page
    assert "taken for one (" in page
    assert tuned.facts()["classes"] == str(tuned.classes_file)
    assert 'href="file://' in _link(tuned)


def _link(run: hs.Run) -> str:
    from headstart.evaluation.report.confusions import link

    return str(link(run))


def test_a_page_that_fails_costs_no_training(
    run: hs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> bool:
        raise ZeroDivisionError("no page")

    monkeypatch.setattr(finetune, "write_class_page", fail)
    rows = (TEXTS * 2, ["a" if "fox" in text else "b" for text in TEXTS * 2])
    tuned = run.finetune(rows, out=tmp_path / "tuned", alternatives=False, **OPTIONS)
    assert tuned.finished
    assert "page of the classes is left out" in tuned.log_file.read_text(encoding="utf-8")


def test_quantities_have_no_page_of_classes(run: hs.Run, tmp_path: Path) -> None:
    rows = (TEXTS * 2, [str(len(text) / 7) for text in TEXTS * 2])
    options = {"task": "regression", "alternatives": False, **OPTIONS}
    tuned = run.finetune(rows, out=tmp_path / "tuned", **options)
    assert not tuned.classes_file.exists()


def test_a_class_of_each_word_is_no_class_of_its_text_and_says_nothing(
    run: hs.Run, tmp_path: Path
) -> None:
    rows = [{"tokens": text.split(), "tags": ["O", "O", "B-ANIMAL", "O"]} for text in TEXTS * 2]
    source = tmp_path / "words.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)))
    options = {"task": "tokens", "alternatives": False, **OPTIONS}
    tuned = run.finetune(source, out=tmp_path / "tuned", **options)
    assert not tuned.classes_file.exists()
    assert "page of the classes" not in tuned.log_file.read_text(encoding="utf-8")
