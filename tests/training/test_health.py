"""The alarms ring when they should, and only then."""

from __future__ import annotations

import math

import pytest
import torch

from headstart.training.alarms import Alarms
from headstart.training.health import rank_me, spread


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_rank_by_hand() -> None:
    assert rank_me(torch.eye(5)) == pytest.approx(5, abs=1e-4)
    assert rank_me(torch.ones(7, 4)) == pytest.approx(1, abs=1e-4)
    # Singular values 3 and 1: shares 3/4 and 1/4.
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert rank_me(torch.diag(torch.tensor([3.0, 1.0]))) == pytest.approx(math.exp(entropy), 1e-5)


def test_spread_is_near_its_healthy_value_on_a_sphere_and_zero_on_a_point() -> None:
    assert spread(random(4000, 64)) == pytest.approx(1 / 8, rel=0.02)
    # Length does not count.
    assert spread(torch.ones(9, 4) * torch.arange(1, 10)[:, None]) == pytest.approx(0, abs=1e-12)


def look(alarms: Alarms, features: torch.Tensor) -> str | None:
    return alarms.collapse(rank_me(features), spread(features), *features.shape)


def test_the_collapse_alarm_rings_once_on_constant_features() -> None:
    alarms = Alarms()
    assert look(alarms, random(64, 16)) is None
    message = look(alarms, torch.ones(64, 16))
    assert message is not None
    assert "collapsing" in message
    assert look(alarms, torch.ones(64, 16)) is None


def test_the_collapse_alarm_rings_when_all_rows_fall_on_a_line() -> None:
    alarms = Alarms()
    assert look(alarms, random(64, 32)) is None
    assert look(alarms, random(64, 1) * random(1, 32)) is not None


def test_the_collapse_alarm_is_silent_on_healthy_features_with_a_common_mean() -> None:
    alarms = Alarms()
    assert look(alarms, random(64, 16)) is None
    assert look(alarms, random(64, 16) + 3) is None
    assert look(Alarms(), torch.ones(3, 16)) is None  # three rows say nothing


def test_the_plateau_alarm_rings_on_noise_around_a_constant_only() -> None:
    noise = random(500) * 0.02
    flat = [(step, 2 + float(noise[step])) for step in range(500)]
    falling = [(step, 2 - step / 1000 + float(noise[step])) for step in range(500)]
    alarms = Alarms()
    assert alarms.plateau(falling, 0.5, 0.05) is None
    assert alarms.plateau(flat, 0.1, 0.05) is None  # still near the warm-up
    assert alarms.plateau(flat, 0.95, 0.05) is None  # too late to matter
    assert alarms.plateau(flat[:50], 0.5, 0.05) is None  # too few to tell
    message = alarms.plateau(flat, 0.5, 0.05)
    assert message is not None
    assert "has not moved for 199 steps" in message
    assert alarms.plateau(flat, 0.5, 0.05) is None
