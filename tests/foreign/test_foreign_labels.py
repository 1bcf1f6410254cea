"""Labels that are out of order where headstart does not know the kind of data."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sensors import table, waves
from typer.testing import CliRunner

import headstart as hs
from headstart.cli import app


@pytest.mark.parametrize(
    ("trained", "tested", "code", "sentence"),
    [
        (["sine"], ["sine"], 1, "every labeled record has the label 'sine'"),
        (["sine", "Sine", "saw"], ["sine", "saw"], 0, "'Sine' and 'sine' differ only in case"),
        (["sine", "saw"], ["sine", "saw", "square"], 0, "left out: 'square' (4)."),
        (["sine", "saw"], ["square"], 1, "no record has a label that a training record has"),
        (["sine", "saw"], ["saw"], 0, "every tested record has the label 'saw'"),
    ],
)
def test_doubtful_labels(
    world: SimpleNamespace,
    run: hs.Run,
    tmp_path: Path,
    trained: list[str],
    tested: list[str],
    code: int,
    sentence: str,
) -> None:
    rng = np.random.default_rng(1)

    def file(name: str, labels: list[str]) -> str:
        rows = [series for _, series in waves(rng, 12)]
        names = [labels[index % len(labels)] for index in range(12)]
        return table(tmp_path / name, list(zip(names, rows, strict=True)))

    train, test = file("train.csv", trained), file("test.csv", tested)
    words = ["evaluate", str(run.folder), "--train", train, "--test", test, "--labels", "all"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "page.html")])
    assert done.exit_code == code, done.output
    assert sentence in done.output
