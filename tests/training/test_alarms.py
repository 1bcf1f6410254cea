"""Each alarm rings when its trouble is caused, once, and stays silent on sound runs."""

from __future__ import annotations

import importlib.util
import math
import sys
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from tiny_objective import TinyObjective, TinyRows, run_tiny

from headstart.training.alarms import Alarm, Alarms
from headstart.training.health import measure

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "alarms.py"


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def kinds(rung: list[Alarm]) -> list[str]:
    return [alarm.kind for alarm in rung]


# -- rules -----------------------------------------------------------------------------------


def test_a_budget_of_few_steps_says_what_made_them_few() -> None:
    (slow,) = Alarms().few_steps(8, epochs=0.2, minutes=1)
    assert slow.kind == "few steps"
    assert "gives 8 steps" in slow.message
    assert "one takes about 7.5 s here; give a longer --budget" in slow.message
    (often,) = Alarms().few_steps(8, epochs=2, minutes=1)
    assert "one takes about 7.5 s here; give a longer --budget" in often.message
    (capped,) = Alarms().few_steps(8, epochs=2, minutes=1, capped=True)
    assert "they see each record 2 times already; give more records" in capped.message
    assert "or a --budget in steps" in capped.message
    assert "longer" not in capped.message
    (short,) = Alarms().few_steps(8, epochs=1, minutes=None)
    assert "they see each record once already; give more records" in short.message
    assert "or a --budget of more epochs" in short.message
    assert "each record 0.5 times" in Alarms().few_steps(8, epochs=0.5, minutes=None)[0].message
    assert Alarms().few_steps(50, epochs=2, minutes=1) == []
    (part,) = Alarms().few_steps(5000, epochs=0.2, minutes=1)
    assert "The 5,000 steps of the budget see 20% of the records" in part.message
    assert "gives 1 step, and" in Alarms().few_steps(1, epochs=2, minutes=1)[0].message


@pytest.mark.parametrize(("budget", "rung"), [("2epochs", 1), ("12steps", 0), ("20epochs", 0)])
def test_few_steps_ring_before_the_first_unless_they_were_asked_for(
    budget: str, rung: int, tmp_path: Path
) -> None:
    _, _, run = run_tiny(tmp_path / "run", budget=budget)
    found = [row for row in run.metrics() if row.get("alarm", {}).get("kind") == "few steps"]
    assert [row["step"] for row in found] == [0] * rung


def test_a_chance_level_that_wavers_is_no_progress() -> None:
    def rows(waver: float) -> list[dict[str, Any]]:
        return [
            {"step": step, "loss": 1.0, "accuracy": 0.5, "accuracy_chance": 0.5 + waver * step}
            for step in range(200)
        ]

    for waver in (0.0, 0.001):
        assert kinds(Alarms().plateau(rows(waver), progress=0.5, warmup=0.05)) == ["plateau"]


def collapses(alarms: Alarms, *features: torch.Tensor, **named: Any) -> list[str]:
    """Measure some features one after another, well into the run."""
    return [
        kind
        for each in features
        for kind in kinds(alarms.collapse(measure(each, **named), progress=0.5, step=50))
    ]


def test_a_collapse_rings_once_and_only_when_it_was_seen_twice() -> None:
    alarms = Alarms()
    constant = 1e-4 * random(64, 16) + 1
    assert collapses(alarms, random(64, 16), constant, random(64, 16), constant) == []
    assert collapses(alarms, constant, constant, constant) == ["collapse"]


def test_a_line_is_a_dimensional_collapse() -> None:
    line = random(64, 1) * random(1, 32)
    assert collapses(Alarms(), random(64, 32), line, line) == ["dimensional collapse"]


def test_projections_that_become_alike_are_a_collapse_of_the_task() -> None:
    alarms, sound = Alarms(), random(64, 16)
    assert collapses(alarms, sound, projections=random(64, 8)) == []
    assert collapses(alarms, sound, sound, projections=1 + 1e-3 * random(64, 8)) == ["collapse"]


def test_a_growing_mean_and_the_first_steps_and_few_rows_are_no_collapse() -> None:
    sound = random(64, 16)
    assert collapses(Alarms(), sound, sound + 50, sound + 50, 100 * sound) == []
    assert collapses(Alarms(), random(3, 16), *2 * [torch.ones(3, 16)]) == []
    alarms = Alarms()
    for each in (sound, torch.ones(64, 16), torch.ones(64, 16)):
        assert alarms.collapse(measure(each), progress=0.1, step=9) == []


def rows(losses: list[float], **scalars: list[float]) -> list[dict[str, Any]]:
    return [
        {"step": step, "loss": loss, **{name: values[step] for name, values in scalars.items()}}
        for step, loss in enumerate(losses)
    ]


def test_a_plateau_is_noise_around_a_constant_only() -> None:
    noise = (random(500) * 0.02).tolist()
    flat = [2 + noise[step] for step in range(500)]
    falling = [2 - step / 1000 + noise[step] for step in range(500)]
    alarms = Alarms()
    assert alarms.plateau(rows(falling), 0.5, 0.05) == []
    assert alarms.plateau(rows(flat), 0.1, 0.05) == []  # still near the warm-up
    assert alarms.plateau(rows(flat), 0.95, 0.05) == []  # too late to matter
    assert alarms.plateau(rows(flat)[:50], 0.5, 0.05) == []  # too few for a statement
    # Two players: the sum stands still, and they do not.
    assert alarms.plateau(rows(flat, generator=falling), 0.5, 0.05) == []
    (alarm,) = alarms.plateau(rows(flat), 0.5, 0.05)
    assert "has not moved for 199 steps" in alarm.message
    assert alarms.plateau(rows(flat), 0.5, 0.05) == []


def test_divergence_is_a_loss_far_above_its_start_and_not_one_bad_batch() -> None:
    falling = [3 - step / 20 for step in range(20)]
    alarms = Alarms()
    assert alarms.divergence([*falling, 90.0, 2.0], []) == []
    assert alarms.divergence([3.0] * 5 + [5.0] * 20, [3.0, 5.0]) == []  # players, queues
    assert kinds(alarms.divergence([*falling, 9.0, 9.5, 12.0, 20.0], [3.0])) == ["divergence"]
    assert alarms.divergence([*falling, 9.0, 9.5, 12.0, 20.0], [3.0]) == []
    assert kinds(Alarms().divergence(falling, [3.0, 700.0])) == ["divergence"]


def test_weights_that_outgrow_a_random_walk_ring_and_those_that_start_at_zero_do_not_ring() -> None:
    def rung(*growths: float, step: int = 100) -> list[str]:
        alarms = Alarms()
        assert alarms.growth([1.0, 2.0, 0.0, 0.5], 0) == []
        sizes = ([growth, 2 * growth, 50.0, 0.5] for growth in growths)
        return [kind for each in sizes for kind in kinds(alarms.growth(each, step))]

    assert rung(3.9, 3.9, 3.9) == []
    assert rung(4.1, 3.9, 4.1) == []
    assert rung(4.1, 4.1, 4.1) == ["growth"]
    assert rung(4.1, 4.1, step=400) == []
    assert rung(math.nan, math.nan) == ["growth"]


def test_an_unsuitable_temperature_is_found_by_the_entropy() -> None:
    losses = [4.0] * 30
    assert Alarms().temperature(rows(losses, entropy=[0.9] * 30), 0.5) == []
    # Sure and right is what a good network is in the end.
    learned = [0.9] * 10 + [0.001] * 20
    assert Alarms().temperature(rows([4.0] * 10 + [0.01] * 20, entropy=learned), 0.5) == []
    (cold,) = Alarms().temperature(rows([900.0] * 30, entropy=[0.001] * 30), 0.1)
    assert "far too low" in cold.message
    (idle,) = Alarms().temperature(rows([0.1] * 30, entropy=[0.002] * 30), 0.1)
    assert "sure of its choices from the first steps" in idle.message
    (hot,) = Alarms().temperature(rows(losses, entropy=[1 - 1e-6] * 30), 0.5)
    assert "lower the temperature" in hot.message


def test_the_same_batch_again_and_again_is_frozen_data() -> None:
    source, alarms = TinyRows(64), Alarms()
    for start in range(15):
        assert alarms.saw(source.batch(torch.arange(start, start + 4).numpy(), 0)) == []
    same = source.batch(torch.arange(4).numpy(), 0)
    assert [k for _ in range(15) for k in kinds(alarms.saw(same))] == ["frozen data"]


def history(validation: list[float], training: list[float]) -> list[dict[str, Any]]:
    """Rows of ten training losses between two validations."""
    found: list[dict[str, Any]] = []
    for index, value in enumerate(validation):
        found.append({"step": 10 * index, "validation_loss": value})
        found += [{"step": 10 * index + i, "loss": training[index] + i / 1e4} for i in range(1, 11)]
    return found


def test_overfitting_is_validation_rising_while_training_falls() -> None:
    falling = [4.0, 3.0, 2.5, 2.0, 1.5, 1.2, 1.0]
    rising = [4.0, 3.2, 2.8, 3.0, 3.2, 3.4, 3.6]
    (alarm,) = Alarms().overfitting(history(rising, falling))
    assert "best at step 20 (2.8)" in alarm.message
    assert Alarms().overfitting(history(falling, falling)) == []
    assert Alarms().overfitting(history(rising, rising)) == []  # a moving target
    assert Alarms().overfitting(history(rising, [x + 3 for x in falling])) == []  # and a noisy one
    assert Alarms().overfitting(history([4, 3.2, 2.8, 2.81, 2.79, 2.82, 2.81], falling)) == []


def test_a_rising_loss_is_no_overfitting_while_more_is_right() -> None:
    falling = [4.0, 3.0, 2.5, 2.0, 1.5, 1.2, 1.0]
    rows = history([4.0, 3.2, 2.8, 3.0, 3.2, 3.4, 3.6], falling)
    for accuracies, number in (((1, 2, 3, 4, 5, 6, 7), 0), ((3, 3, 3, 3, 3, 3, 3), 1)):
        checked = [row for row in rows if "validation_loss" in row]
        for row, accuracy in zip(checked, accuracies, strict=True):
            row["validation_accuracy"] = accuracy / 100
        assert len(Alarms().overfitting(rows)) == number


def test_more_time_is_advised_where_the_last_quarter_still_paid() -> None:
    steep = [4.0 - index / 4 for index in range(13)]
    spent = [4 * math.exp(-index) + 1 for index in range(13)]
    (alarm,) = Alarms().still_improving(history(steep, steep))
    assert "25% of what the validation loss fell" in alarm.message
    assert "--budget" in alarm.message
    assert Alarms().still_improving(history(spent, spent)) == []
    assert Alarms().still_improving(history(steep, steep), capped=True) == []
    assert Alarms(rung=["collapse"]).still_improving(history(steep, steep)) == []
    # Without validation the training loss is used, accounting for noise.
    noise = (random(200) * 0.5).tolist()
    assert Alarms().still_improving(rows([3 + n for n in noise])) == []
    assert Alarms().still_improving(rows([5 - s / 50 + noise[s] / 9 for s in range(200)])) != []


# -- in a run --------------------------------------------------------------------------------


def rang(run: Any) -> list[str]:
    return [row["alarm"]["kind"] for row in run.metrics() if "alarm" in row]


def test_an_alarm_is_said_logged_and_kept_in_the_checkpoint(tmp_path: Path) -> None:
    class Constant(TinyObjective):
        def after_step(self, progress: float) -> None:
            with torch.no_grad():
                self.encoder.dense.weight.zero_()
                self.encoder.dense.bias.fill_(1.0)

    _, _, run = run_tiny(tmp_path / "constant", objective=Constant())
    assert rang(run) == ["collapse"]
    assert run.log_file.read_text().count("The features are collapsing") == 1
    _, _, run = run_tiny(tmp_path / "sound")
    assert rang(run) == []
    assert asdict(Alarms(**asdict(Alarms(rung=["collapse"])))) == asdict(Alarms(rung=["collapse"]))


@pytest.mark.parametrize("left", [5, 7])
def test_a_run_that_is_gone_on_with_rings_as_if_it_had_never_stopped(
    left: int, tmp_path: Path
) -> None:
    """It stops before or after the checkpoint (every three steps) that knows of the alarm."""

    class Constant(TinyObjective):
        left = 99

        def forward(self, batch: Any) -> Any:
            self.left -= self.training
            if self.left < 0:
                raise ValueError("the power went")
            return super().forward(batch)

        def after_step(self, progress: float) -> None:
            with torch.no_grad():
                self.encoder.dense.weight.zero_()

    options = {"checkpoint_steps": 3, "validate_steps": 2}
    _, _, whole = run_tiny(tmp_path / "whole", objective=Constant(), **options)
    cut = Constant()
    cut.left = left
    with pytest.raises(ValueError, match="the power went"):
        run_tiny(tmp_path / "cut", objective=cut, **options)
    _, _, rest = run_tiny(tmp_path / "cut", objective=Constant(), **options)
    assert rang(rest) == rang(whole) == ["collapse"]
    assert [{**row, "clock": 0} for row in rest.metrics()] == [
        {**row, "clock": 0} for row in whole.metrics()
    ]


def test_the_alarm_rings_before_or_with_the_end_by_nan(tmp_path: Path) -> None:
    from headstart.errors import HeadstartError

    class Exploding(TinyObjective):
        def forward(self, batch: Any) -> Any:
            scalars = super().forward(batch)
            if self.training:
                scalars["loss"] = scalars["loss"] * 1.5 ** len(self.fed)
                if len(self.fed) == 22:
                    scalars["loss"] = scalars["loss"] * math.nan
            return scalars

    with pytest.raises(HeadstartError, match="became infinite"):
        run_tiny(tmp_path, objective=Exploding(), budget="40steps")
    from headstart.run import RunFolder

    (row,) = [row for row in RunFolder(tmp_path).metrics() if "alarm" in row]
    assert row["alarm"]["kind"] == "divergence"
    assert row["step"] < 21


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """The sweep over all objectives, of which a handful is run here."""
    spec = importlib.util.spec_from_file_location("alarms_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["alarms_benchmark"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sources(benchmark: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return benchmark.write_data(tmp_path_factory.mktemp("data"), count=600)


@pytest.mark.parametrize("name", ["mlm", "simclr", "byol", "gan"])
def test_sound_runs_are_silent(name: str, benchmark: ModuleType, sources: dict[str, str]) -> None:
    rung, messages = benchmark.rung(sources, name, 40)
    assert rung <= benchmark.ADVICE, messages


@pytest.mark.parametrize(
    ("trouble", "name", "kind"),
    [
        ("no_stop_gradient", "byol", "ollapse"),
        ("no_stop_gradient", "simsiam", "ollapse"),
        ("one_batch", "rotation", "frozen data"),
        ("hundredfold_rate", "mlm", "ollapse"),
        ("hundredfold_rate", "rotation", "divergence"),
        ("hundredfold_rate", "simclr", "growth"),
        ("hundredfold_rate", "autoencoder", "growth"),
    ],
)
def test_a_trouble_that_is_caused_rings(
    trouble: str, name: str, kind: str, benchmark: ModuleType, sources: dict[str, str]
) -> None:
    with getattr(benchmark, trouble)():
        rung, messages = benchmark.rung(sources, name, 40)
    assert any(kind in one for one in rung), messages


@pytest.mark.parametrize("temperature", [1e-4, 100.0])
def test_an_absurd_temperature_rings(
    temperature: float, benchmark: ModuleType, sources: dict[str, str]
) -> None:
    settings = [f"simclr.temperature={temperature}"]
    rung, messages = benchmark.rung(sources, "simclr", 40, settings=settings)
    assert "temperature" in rung, messages
