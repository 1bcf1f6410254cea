"""A kind of data from another package goes through every verb, and headstart does not know it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sensors import PACKAGE, QUICK, ROOT
from typer.testing import CliRunner

import headstart as hs
from headstart.cli import app
from headstart.errors import HeadstartError
from headstart.modalities.guess import guess_content


def shell(*words: str, check: bool = True) -> str:
    """Run one command line in a process of its own and return its answer."""
    done = subprocess.run(
        [sys.executable, "-m", "headstart", *words], capture_output=True, text=True
    )
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


# -- what is known before anything is read -------------------------------------------------------


def test_headstart_does_not_know_the_package() -> None:
    names = re.compile(r"headstart[-_]sensors|series_conv|masked_readings|SeriesModality")
    files = (ROOT / "src").rglob("*.py")
    assert [file for file in files if names.search(file.read_text(encoding="utf-8"))] == []


def test_its_kind_of_data_is_known_without_importing_torch(world: SimpleNamespace) -> None:
    code = (
        "import sys; from headstart.modalities import MODALITIES; kind = MODALITIES['series'];"
        "assert kind.content.name == 'series'; assert 'torch' not in sys.modules, 'torch'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_list_names_the_package_beside_what_it_brings(world: SimpleNamespace) -> None:
    output = CliRunner().invoke(app, ["list"]).stdout
    for name in ("series", "series_conv", "masked_readings", "outliers", "triplets"):
        assert re.search(rf"^  {name} .*\[headstart-sensors\]$", output, re.MULTILINE)


def test_its_cells_follow_from_what_it_says_of_itself(world: SimpleNamespace) -> None:
    cells = json.loads(CliRunner().invoke(app, ["list", "cells", "--json"]).stdout)["cells"]
    served = {cell["objective"]: cell["encoders"] for cell in cells if cell["modality"] == "series"}
    assert served["masked_readings"] == ["series_conv"]
    assert served["simclr"] == served["contrast"] == ["series_conv"]
    assert "mlm" not in served
    assert "mae" not in served


def test_the_columns_tell_the_kind(world: SimpleNamespace) -> None:
    assert guess_content([world.unlabeled]) == "series"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"objective": "mlm"}, "masked_readings"),
        ({"encoder": "light"}, "series_conv"),
        ({"objective": "simclr", "settings": ["simclr.views=jiter"]}, "did you mean 'jitter'"),
        ({"settings": ["masked_readings.mask_rate=0.3"]}, "did you mean 'mask_ratio'"),
    ],
)
def test_what_cannot_work_is_refused_with_what_can(
    world: SimpleNamespace, options: dict[str, Any], sentence: str
) -> None:
    out = world.folder / "refused"
    with pytest.raises(HeadstartError, match=re.escape(sentence)):
        hs.pretrain(
            world.unlabeled, out=str(out), modality="series", budget="1steps", **QUICK, **options
        )
    assert not out.exists()


# -- learn ---------------------------------------------------------------------------------------


def test_audit_counts_lengths_repeats_and_overlap(world: SimpleNamespace) -> None:
    rows = Path(world.train).read_text().splitlines()
    bad = ["1 2 x 4 5 6 7 8,sine", "1 2 3,saw"]
    mixed = world.folder / "mixed.csv"
    mixed.write_text("\n".join([*rows, rows[1], *bad]) + "\n")
    found = hs.audit(str(mixed), against=[world.train], modality="series").summary()
    assert found["content"] == "series"
    assert found["kept"] == 91
    assert found["duplicates"] == 1
    assert found["overlap"]["exact"] == 90
    assert found["lengths"]["unit"] == "readings"
    assert sorted(found["reasons"]) == ["it has 3 readings, and 8 are the fewest", NOT_NUMBERS]


NOT_NUMBERS = "its readings are not all numbers"


def test_its_own_objective_learns(run: hs.Run) -> None:
    assert run.resolved["modality"] == "series"
    assert run.resolved["plan"]["encoder"] == "series_conv"
    assert list(run.resolved["plan"]["objectives"]) == ["masked_readings"]
    losses = [row["loss"] for row in run.metrics() if "loss" in row]
    assert losses[-1] < 0.8 * losses[0]
    assert (run.encoder / "model.safetensors").is_file()
    assert run.image_file.is_file()


@pytest.mark.parametrize("objective", ["simclr", "contrast", "masked_readings:1,vicreg:0.1"])
def test_objectives_of_headstart_work_on_its_views(world: SimpleNamespace, objective: str) -> None:
    out = world.folder / re.sub(r"\W", "_", objective)
    run = hs.pretrain(
        world.unlabeled,
        out=str(out),
        modality="series",
        objective=objective,
        budget="4steps",
        **QUICK,
    )
    assert run.finished
    assert all(np.isfinite(row["loss"]) for row in run.metrics() if "loss" in row)


def test_a_killed_training_goes_on_to_the_same_bits(world: SimpleNamespace) -> None:
    words = [
        *("pretrain", world.unlabeled, "--modality", "series", "--budget", "120steps"),
        *("--checkpoint-steps", "10", "--tracker", "none", "--batch-size", "16"),
    ]
    whole, killed = world.folder / "whole", world.folder / "killed"
    shell(*words, "--out", str(whole))
    process = subprocess.Popen(
        [sys.executable, "-m", "headstart", *words, "--out", str(killed)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not list((killed / "checkpoints").glob("*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not hs.Run(killed).finished
    shell("pretrain", "--out", str(killed), "--resume")
    weights = [folder / "encoder" / "model.safetensors" for folder in (whole, killed)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


# -- judge ---------------------------------------------------------------------------------------


def test_its_baselines_previews_and_corruptions_are_in_the_report(
    world: SimpleNamespace, run: hs.Run
) -> None:
    report = run.evaluate(
        world.train, test=world.test, labels=["10", "all"], seeds=2, corruptions=["auto"]
    )
    assert {"statistics", "spectrum"} <= {row["candidate"] for row in report.summary()["scores"]}
    assert {"noise", "dropout"} <= {shift.shift for shift in report.results.shifts}
    page = run.report_file.read_text(encoding="utf-8")
    assert "spectrum" in page
    assert "data:image/webp" in page


def test_protocols_that_do_not_suit_it_are_refused_before_it_is_read(run: hs.Run) -> None:
    with pytest.raises(HeadstartError, match="classification"):
        run.evaluate("nowhere.csv", task="perplexity")


def test_runs_are_compared(world: SimpleNamespace, run: hs.Run) -> None:
    other = hs.pretrain(
        world.unlabeled,
        out=str(world.folder / "other"),
        modality="series",
        objective="simclr",
        budget="4steps",
        **QUICK,
    )
    page = world.folder / "compare.html"
    found = hs.compare(
        str(run.folder),
        str(other.folder),
        train=world.train,
        test=world.test,
        labels=["all"],
        seeds=2,
        out=str(page),
    )
    assert found.summary()
    assert page.is_file()


# -- use -----------------------------------------------------------------------------------------


def test_fine_tuned_it_predicts(world: SimpleNamespace, tuned: hs.Run) -> None:
    rows = tuned.predict(world.test)
    assert len(rows) == 60
    truth = [line.rpartition(",")[2] for line in Path(world.test).read_text().splitlines()[1:]]
    right = sum(row["label"] == label for row, label in zip(rows, truth, strict=True))
    assert right > 45


def test_vectors_are_written(world: SimpleNamespace, run: hs.Run) -> None:
    found = np.load(run.embed(world.test, out=str(world.folder / "vectors.npy")))
    assert found.shape == (60, 64)
    assert np.isfinite(found).all()


def test_a_typed_series_finds_the_record_that_it_is(world: SimpleNamespace, run: hs.Run) -> None:
    typed = Path(world.unlabeled).read_text().splitlines()[7]
    found = run.search(query=typed, count=3)
    assert [row["rank"] for row in found] == [1, 2, 3]
    assert found[0]["id"].endswith(":8")
    assert found[0]["similarity"] == pytest.approx(1.0, abs=1e-3)


def test_records_to_label_are_written_as_they_are_read(world: SimpleNamespace, run: hs.Run) -> None:
    out = world.folder / "to_label.csv"
    run.label(world.unlabeled, count=6, labeled=[world.train], out=str(out))
    lines = out.read_text().splitlines()
    assert len(lines) == 7
    assert hs.audit(str(out), modality="series").summary()["kept"] == 6


def test_segments_that_mattered_are_named(world: SimpleNamespace, tuned: hs.Run) -> None:
    pytest.importorskip("captum", reason="captum (extra `explain`) is not installed")
    page = world.folder / "explained.html"
    found = tuned.explain(world.test, count=2, out=str(page)).summary()
    assert len(found["explanations"]) == 2
    for explanation in found["explanations"]:
        assert len(explanation["segments"]) == 8
        assert explanation["alike"]
    assert "segments" in page.read_text(encoding="utf-8")
    assert "segments, in order" in str(tuned.explain(world.test, count=1))


def test_info_says_what_it_is(run: hs.Run) -> None:
    assert json.loads(shell("info", str(run.folder), "--json"))["resolved"]["modality"] == "series"


def test_without_the_package_its_runs_are_refused_in_a_sentence(
    world: SimpleNamespace, run: hs.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    words = ["embed", str(run.folder), world.test, "--out", str(world.folder / "v.npy"), "--json"]
    error = json.loads(shell(*words, check=False))["error"]
    assert "of the kind 'series_conv', which no installed package brings" in error


def test_every_verb_without_the_package_says_the_same(
    world: SimpleNamespace, run: hs.Run, tuned: hs.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = [str(world.folder / "site"), str(PACKAGE / "src")]
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in installed])
    out = world.folder / "without"
    verbs: dict[str, Callable[[], Any]] = {
        "evaluate": lambda: run.evaluate(world.train),
        "finetune": lambda: run.finetune(world.train, out=str(out)),
        "compare": lambda: hs.compare(str(run.folder), str(tuned.folder), train=world.train),
        "predict": lambda: tuned.predict(world.test),
        "embed": lambda: run.embed(world.test, out=f"{out}.npy"),
        "search": lambda: run.search(world.test, query="0 1 2"),
        "label": lambda: run.label(world.unlabeled, out=f"{out}.csv"),
        "explain": lambda: tuned.explain(world.test),
        "pretrain": lambda: hs.pretrain(
            world.test, out=str(out), modality="text", encoder=str(run.folder)
        ),
    }
    for name, verb in verbs.items():
        with pytest.raises(HeadstartError) as refused:
            verb()
        assert "of the kind 'series_conv', which no installed package brings" in str(
            refused.value
        ), name
    assert not out.exists()


def test_the_page_of_docs_quotes_the_package() -> None:
    page = (ROOT / "docs" / "new_kind_of_data.md").read_text(encoding="utf-8")
    files = [*PACKAGE.glob("pyproject.toml"), *(PACKAGE / "src").rglob("*.py")]
    sources = [file.read_text(encoding="utf-8") for file in files]
    quoted = re.findall(r"```(?:python|toml)\n(.*?)```", page, re.DOTALL)
    assert len(quoted) > 5
    assert [part for part in quoted if not any(part in source for source in sources)] == []
