"""Tasks, protocols, rules and archives of a kind of data from another package."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sensors import QUICK, text_of, waves
from typer.testing import CliRunner

import headstart as hs
from headstart.cli import app
from headstart.errors import HeadstartError
from headstart.modalities.guess import guess_content


def test_list_shows_the_options_of_its_task_and_its_protocol(world: SimpleNamespace) -> None:
    for family, name, option in [
        ("tasks", "outliers", "within"),
        ("protocols", "triplets", "count"),
    ]:
        found = json.loads(CliRunner().invoke(app, ["list", family, "--json"]).stdout)
        assert option in found[name]["options"]


def test_options_of_an_objective_that_cannot_be_meant_are_refused_unread(
    world: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"out": str(world.folder / "refused"), "modality": "series"}
    with pytest.raises(HeadstartError, match=r"'mae' needs .* objectives for series"):
        hs.pretrain(world.unlabeled, settings=["mae.mask_ratio=0.5"], **options)
    with pytest.raises(HeadstartError, match="'simclr' has no option 'vews'"):
        hs.pretrain(world.unlabeled, settings=["simclr.vews=jitter"], **options)
    assert "reading" not in capsys.readouterr().err


def test_series_in_an_archive_are_read_and_its_rules_sift_them(world: SimpleNamespace) -> None:
    rows = [text_of(series) for _, series in waves(np.random.default_rng(1), 40)]
    archive = world.folder / "archive.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("day/one.csv", "readings\n" + "\n".join(rows[:20]) + "\n")
        made.writestr(
            "two.csv", "readings\n" + "\n".join([*rows[20:], " ".join(["1.0"] * 64)]) + "\n"
        )
    assert guess_content([str(archive)]) == "series"
    found = hs.audit(str(archive), quality=["flat"]).summary()
    assert found["kept"] == 41
    run = hs.pretrain(
        str(archive), out=str(world.folder / "sifted"), quality=["flat"], budget="2steps", **QUICK
    )
    audit = json.loads(run.audit_file.read_text(encoding="utf-8"))
    assert audit["kept"] == 40
    assert "its readings are all the same (flat)" in str(audit)


def test_a_folder_that_lacks_a_capability_is_refused_unread(
    world: SimpleNamespace,
    run: hs.Run,
    install: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = (
        "from headstart_sensors.encoder import SERIES_CONV\n"
        "from headstart_sensors.objective import MaskedReadings\n"
        "from dataclasses import replace\n"
        "ABLE = replace(SERIES_CONV, provides=frozenset({'steps', 'echo'}))\n"
        "class Echoes(MaskedReadings):\n"
        "    needs = frozenset({'echo'})\n"
    )
    points = {
        "headstart.objectives": {"echoes": "echoing_series:Echoes"},
        "headstart.encoders": {"able": "echoing_series:ABLE"},
    }
    install("echoing", points, echoing_series=source)
    out = str(world.folder / "refused")
    with pytest.raises(HeadstartError, match=r"needs echo, which the encoder .* that can: able"):
        hs.pretrain(world.unlabeled, out=out, encoder=str(run.folder), objective="echoes")
    assert "reading" not in capsys.readouterr().err


@pytest.mark.parametrize("task", ["retrieval", "clustering", "fewshot", "triplets"])
def test_protocols_measure_it(world: SimpleNamespace, run: hs.Run, task: str) -> None:
    found = run.evaluate(world.train, task=task, seeds=2, episodes=20, shots=["1"], ways=3)
    scores = {row["candidate"]: row for row in found.summary()["scores"]}
    assert {"pre-trained", "untrained", "spectrum"} <= scores.keys()


def test_options_of_its_protocol_reach_it(world: SimpleNamespace, run: hs.Run) -> None:
    found = run.evaluate(world.train, task="triplets", settings=["triplets.count=70"])
    assert len(found.results.truth) == 70
    with pytest.raises(HeadstartError, match="did you mean 'count'"):
        run.evaluate("nowhere.csv", task="triplets", settings=["triplets.cuont=70"])


def test_its_own_task_is_fitted_and_predicts(world: SimpleNamespace, run: hs.Run) -> None:
    options = {"settings": ["outliers.usual=sine", "outliers.within=0.9"], **QUICK}
    tuned = run.finetune(
        world.train, task="outliers", out=str(world.folder / "outliers"), **options
    )
    rows = tuned.predict(world.test)
    assert len(rows) == 60
    assert all(row["outlier"] == (row["distance"] > 1) for row in rows)
    lines = Path(world.test).read_text().splitlines()[1:]
    sines = [
        row["distance"] for row, line in zip(rows, lines, strict=True) if line.endswith("sine")
    ]
    assert 0.5 < np.median(sines) < 1.2


def test_a_task_of_another_kind_is_refused_with_those_of_its_own(run: hs.Run) -> None:
    with pytest.raises(HeadstartError, match=r"'tokens' reads texts, .* series: .*outliers"):
        run.finetune("nowhere.csv", task="tokens", out="nowhere")


def test_what_is_typed_and_no_series_is_refused_with_the_reason(run: hs.Run) -> None:
    with pytest.raises(HeadstartError, match="'0 1 2' is neither a file nor a series: it has 3"):
        run.search("nowhere.csv", query="0 1 2")
