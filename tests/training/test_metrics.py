"""metrics.jsonl of a resumed run is that of a run that never stopped."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from pytorch_lightning.utilities import rank_zero_only
from tiny_objective import run_tiny

from headstart.config import TrainingOptions
from headstart.errors import HeadstartError
from headstart.ranks import is_first
from headstart.run import RunFolder
from headstart.training.metrics import Metrics


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", "pretrain", TrainingOptions())


def test_rows_beyond_the_checkpoint_are_dropped_with_a_half_written_one(run: RunFolder) -> None:
    metrics = Metrics(run, 0, "none")
    for step in (1, 2, 3):
        metrics.log(step, {"loss": 1 / step}, {"seconds": step / 3})
    metrics.close()
    whole = run.metrics_file.read_text().splitlines(keepends=True)
    run.metrics_file.write_text("".join(whole) + '{"step": 4, "lo')
    metrics = Metrics(run, 2, "none")
    assert run.metrics_file.read_text() == "".join(whole[:2])
    assert metrics.values("loss") == [1.0, 0.5]
    metrics.log(3, {"loss": 1 / 3}, {"seconds": 1.0})
    metrics.sync()
    metrics.close()
    assert run.metrics_file.read_text() == "".join(whole)


def test_losses_are_written_in_full_precision_and_what_is_not_finite_as_null(
    run: RunFolder,
) -> None:
    metrics = Metrics(run, 0, "none")
    metrics.log(1, {"loss": 0.1 + 0.2, "validation_loss": float("nan")})
    metrics.close()
    row = json.loads(run.metrics_file.read_text(), parse_constant=pytest.fail)
    assert row == {"step": 1, "loss": 0.1 + 0.2, "validation_loss": None}


def test_tensorboard_gets_the_same_rows(run: RunFolder) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    metrics = Metrics(run, 0, "tensorboard")
    metrics.log(1, {"loss": 2.0}, {"samples_per_second": 7.0})
    metrics.close()
    events = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 2.0)]
    assert [e.value for e in events.Scalars("samples_per_second")] == [7.0]


def test_a_tracker_that_is_not_installed_is_named(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(HeadstartError, match="'wandb' is not installed; install it with"):
        Metrics(run, 0, "wandb")


def test_weights_and_biases_goes_on_with_one_run_over_all_sittings(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sittings: list[dict[str, object]] = []

    class FakeLogger:
        def __init__(self, **options: object) -> None:
            sittings.append(options)

        def log_metrics(self, values: dict[str, float], step: int) -> None: ...

        def finalize(self, status: str) -> None: ...

    monkeypatch.setattr("pytorch_lightning.loggers.WandbLogger", FakeLogger)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "wandb")
    for step in (0, 3):
        Metrics(RunFolder.open(run.folder), step, "wandb").close()
    other = RunFolder.create(run.folder / "other", "pretrain", TrainingOptions())
    Metrics(other, 0, "wandb").close()
    one, two, three = (options["id"] for options in sittings)
    assert one == two == run.resolved["wandb_id"]
    assert three != one
    assert {options["resume"] for options in sittings} == {"allow"}


def test_mlflow_goes_on_with_one_run_and_says_what_it_needs(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sittings: list[object] = []

    class FakeLogger:
        def __init__(self, *, run_id: str | None, tracking_uri: str, **options: object) -> None:
            if tracking_uri == "http://127.0.0.1:9":
                raise ConnectionError("nobody answers\nand more")
            sittings.append(run_id)
            self.run_id = run_id or "new"

        def finalize(self, status: str) -> None: ...

    monkeypatch.setattr("pytorch_lightning.loggers.MLFlowLogger", FakeLogger)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(HeadstartError, match="in the environment variable MLFLOW_TRACKING_URI"):
        Metrics(run, 0, "mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(HeadstartError, match=r"cannot be used \(nobody answers\); check"):
        Metrics(run, 0, "mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///x.db")
    for step in (0, 3):
        Metrics(RunFolder.open(run.folder), step, "mlflow").close()
    assert sittings == [None, "new"]


def test_training_goes_on_without_a_tracker_that_fails(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FakeLogger:
        def __init__(self, **options: object) -> None: ...

        def log_metrics(self, values: dict[str, float], step: int) -> None:
            raise ConnectionError("the server is gone")

    monkeypatch.setattr("pytorch_lightning.loggers.WandbLogger", FakeLogger)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "wandb")
    said: list[str] = []
    metrics = Metrics(run, 0, "wandb", said.append)
    for step in (1, 2):
        metrics.log(step, {"loss": 1.0})
    metrics.close()
    assert [row["step"] for row in run.metrics()] == [1, 2]
    (line,) = said
    assert line.startswith("The tracker failed (the server is gone), and training goes on")


def test_a_rank_of_another_program_silences_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning reads RANK when it is imported; torchrun would have set more than that."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    run_tiny(tmp_path, tracker="tensorboard", budget="2steps")
    (events,) = (tmp_path / "tensorboard").glob("events.*")
    assert b"validation_loss" in events.read_bytes()
    assert is_first()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert is_first()
    for name, value in {"WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert not is_first()
