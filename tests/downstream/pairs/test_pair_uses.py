"""One run is embedded, searched, judged and asked for classes, with pictures and texts alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import headstart as hs
from headstart.cli import app
from headstart.errors import HeadstartError


def test_the_run_notes_two_towers_and_shows_what_it_learned(folder: Path) -> None:
    run = folder / "run"
    assert json.loads((run / "encoder" / "config.json").read_text())["network"] == "towers"
    assert (run / "pretext.png").is_file()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < losses[0]


def test_pictures_and_texts_are_embedded_into_one_space(folder: Path) -> None:
    pictures = hs.embed(str(folder / "run"), str(folder / "test.csv"), quiet=True)
    texts = hs.embed(str(folder / "run"), str(folder / "captions.csv"), quiet=True)
    assert pictures.shape[1] == texts.shape[1]
    for vectors in (pictures, texts):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_a_text_finds_pictures_and_a_picture_finds_texts(folder: Path) -> None:
    run = str(folder / "run")
    found = hs.search(run, str(folder / "test.csv"), query="a red square", count=3, quiet=True)
    assert len(found) == 3
    assert all(row["preview"].startswith("a ") for row in found)
    query = str(folder / "test000.png")
    texts = hs.search(run, str(folder / "captions.csv"), query=query, count=2, quiet=True)
    assert [row["rank"] for row in texts] == [1, 2]
    assert texts[0]["similarity"] >= texts[1]["similarity"]


def test_classes_are_told_by_their_names(folder: Path) -> None:
    out = folder / "classes.jsonl"
    rows = hs.predict(
        str(folder / "run"),
        str(folder / "test000.png"),
        str(folder / "test001.png"),
        classes=["red", "green"],
        templates=["a {} square", "a {} bar"],
        out=str(out),
        quiet=True,
    )
    assert len(rows) == 2
    written = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["label"] for row in written} <= {"red", "green"}
    assert sum(written[0]["scores"].values()) == pytest.approx(1, abs=1e-4)


def test_the_shell_takes_names_with_commas_between(folder: Path) -> None:
    words = ["predict", str(folder / "run"), str(folder / "test000.png"), "--classes", "red,green"]
    done = CliRunner().invoke(app, [*words, "--out", str(folder / "shell.jsonl")])
    assert done.exit_code == 0, done.output
    assert set(json.loads((folder / "shell.jsonl").read_text())["scores"]) == {"red", "green"}


@pytest.mark.parametrize(
    ("inputs", "options", "words"),
    [
        ("test000.png", {}, "name two or more of them with"),
        ("captions.csv", {"classes": ["red", "green"]}, "the inputs hold captions without one"),
    ],
)
def test_what_cannot_be_told_is_one_sentence(folder: Path, inputs, options, words) -> None:
    with pytest.raises(HeadstartError, match=words):
        hs.predict(str(folder / "run"), str(folder / inputs), quiet=True, **options)


def test_it_is_judged_against_strong_alternatives(folder: Path) -> None:
    out = folder / "report.html"
    found = hs.evaluate(
        str(folder / "run"), test=str(folder / "test.csv"), out=str(out), quiet=True
    )
    names = [one["name"] for one in found.to_dict()["candidates"]]
    assert names[:2] == ["pre-trained", "untrained towers"]
    assert any("nearest picture" in name for name in names[2:])
    page = out.read_text()
    assert "Nearest captions" in page
    assert "data:image/webp" in page
    assert json.loads(out.with_suffix(".json").read_text())["pictures"] == 32
    with pytest.raises(HeadstartError, match="name them with"):
        hs.evaluate(str(folder / "run"), quiet=True)


def test_captions_whose_column_no_name_tells_are_those_that_training_saw(folder: Path) -> None:
    table = (folder / "train.csv").read_text().replace("caption", "legend", 1)
    (folder / "legend.csv").write_text(table)
    run = hs.pretrain(
        str(folder / "legend.csv"),
        out=str(folder / "of-legends"),
        modality="pairs",
        length=16,
        budget="1steps",
        quiet=True,
    )
    with pytest.raises(HeadstartError, match=r"all pictures of .* are in the records"):
        run.evaluate(test=str(folder / "legend.csv"))


def test_an_index_of_pictures_is_searched_by_texts(folder: Path) -> None:
    index = folder / "pictures.index"
    hs.index(str(folder / "run"), str(folder / "test.csv"), out=str(index), quiet=True)
    found = hs.search(
        str(folder / "run"), query="a blue bar", index=str(index), count=2, quiet=True
    )
    assert len(found) == 2


def test_it_is_fine_tuned_on_labeled_pictures(folder: Path) -> None:
    rows = [f"train{number:03}.png,{'red' if number % 4 == 0 else 'other'}" for number in range(32)]
    (folder / "labeled.csv").write_text("file,label\n" + "\n".join(rows) + "\n")
    out = folder / "classes"
    hs.finetune(str(folder / "run"), train=str(folder / "labeled.csv"), out=str(out), quiet=True)
    (row,) = hs.predict(str(out), str(folder / "test000.png"), quiet=True)
    assert row["label"] in ("red", "other")
