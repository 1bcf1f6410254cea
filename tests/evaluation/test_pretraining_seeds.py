"""Several pre-trainings that differ by their seed count as one, with their spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import headstart as hs
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.outcomes import ACCURACY, Outcome, Results
from headstart.evaluation.verdict import gains

WORDS = ("red", "green", "blue", "sour", "sweet", "salty")


def write(path: Path, numbers: range) -> str:
    rows = [f"{n % 2},{WORDS[n % 2]} {WORDS[n % 6]} {n}" for n in numbers]
    path.write_text("label,text\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return str(path)


def test_the_same_pre_training_is_run_from_other_seeds_once(tmp_path: Path, capsys) -> None:
    run = hs.pretrain(
        write(tmp_path / "unlabeled.csv", range(60)),
        out=str(tmp_path / "run"),
        budget="3steps",
        batch_size=16,
        tracker="none",
        encoder_options={"width": 16},
    )
    train, test = (
        write(tmp_path / "a.csv", range(60, 90)),
        write(tmp_path / "b.csv", range(90, 110)),
    )
    options = {"test": test, "labels": ["10"], "seeds": 2, "pretraining_seeds": 3}
    report = run.evaluate(train, **options)
    folders = [run.folder / "seeds" / str(seed) for seed in (1, 2)]
    weights = [(each / "encoder" / "model.safetensors").read_bytes() for each in folders]
    assert weights[0] != weights[1]
    names = {outcome.candidate for outcome in report.results.outcomes}
    assert {"pre-trained", "pre-trained, seed 1", "pre-trained, seed 2"} <= names
    (gain,) = report.gains
    assert len(gain.ours.by_run) == 3
    assert "mean of 3 pre-trainings" in report.verdict
    capsys.readouterr()
    again = run.evaluate(train, **options)
    assert "the same pre-training" not in capsys.readouterr().err
    assert again.gains[0].difference == gain.difference


def outcome(name: str, kind: str, score: float, repeats: str = "") -> Outcome:
    by_draw = np.full(5, score)
    resampled = np.tile(by_draw[:, None], (1, 9))
    scores = {"accuracy": Estimate(score, score, score)}
    return Outcome(name, kind, "head", 50, None, scores, by_draw, resampled, repeats=repeats)


def test_their_spread_is_part_of_the_interval() -> None:
    runs = [outcome("ours", "pretrained", 0.8)]
    runs += [outcome(f"ours, seed {n}", "repeated", 0.8 + n / 50, "ours") for n in (1, 2)]
    results = Results(
        task="classification",
        metric=ACCURACY,
        truth=np.zeros(1000),
        training=1000,
        outcomes=[*runs, outcome("other", "baseline", 0.75)],
        counts={50: "50"},
    )
    (gain,) = gains(results)
    assert gain.ours.mean == np.mean([0.8, 0.82, 0.84])
    found = gain.ours.scores["accuracy"]
    np.testing.assert_allclose((found.mean, found.high - found.mean), (0.82, 0.0497), rtol=1e-2)
    # Student's t with two degrees of freedom times the standard error of three runs.
    half = 4.302653 * 0.02 / np.sqrt(3)
    np.testing.assert_allclose(gain.difference.high - gain.difference.mean, half, rtol=1e-5)
