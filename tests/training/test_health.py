"""The measures are what their papers say, by hand on cases whose answer is known."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch

from headstart.training.health import (
    alignment,
    alpha_req,
    lidar,
    measure,
    rank_me,
    spread,
    uniformity,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


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


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_alpha_req_finds_the_power_law_that_the_spectrum_was_made_with(alpha: float) -> None:
    left, _ = torch.linalg.qr(random(200, 50) - random(200, 50).mean(0))
    left, _ = torch.linalg.qr(left - left.mean(0))
    right, _ = torch.linalg.qr(random(50, 50, seed=1))
    values = torch.arange(1, 51, dtype=torch.float64) ** -alpha
    features = left @ torch.diag(values.sqrt()) @ right.T + 7
    assert alpha_req(features) == pytest.approx(alpha, abs=1e-6)


def test_alpha_req_of_equal_rows_is_no_number() -> None:
    assert math.isnan(alpha_req(torch.ones(9, 4)))


def test_alignment_is_the_mean_over_pairs_of_views() -> None:
    views = [random(6, 3, seed=seed) for seed in range(4)]
    units = [view / view.norm(dim=1, keepdim=True) for view in views]
    pairs = [(a - b).square().sum(1).mean().item() for a, b in combinations(units, 2)]
    assert alignment(views) == pytest.approx(sum(pairs) / len(pairs))
    assert alignment([views[0], 3 * views[0]]) == pytest.approx(0, abs=1e-12)


def test_uniformity_is_the_mean_over_pairs_of_rows() -> None:
    rows = random(5, 3)
    units = rows / rows.norm(dim=1, keepdim=True)
    pairs = [
        math.exp(-2 * (units[i] - units[j]).square().sum()) for i, j in combinations(range(5), 2)
    ]
    assert uniformity(rows) == pytest.approx(math.log(sum(pairs) / len(pairs)))
    assert uniformity(torch.ones(5, 3)) == pytest.approx(0)
    assert uniformity(random(500, 64)) == pytest.approx(-4, abs=0.3)


def test_lidar_counts_the_directions_that_tell_records_apart_and_not_those_of_the_views() -> None:
    """Records differ in three directions, views in ten louder ones, which RankMe counts."""
    names = torch.zeros(40, 16, dtype=torch.float64)
    names[:, :3] = random(40, 3)
    views = []
    for seed in range(6):
        noise = 0.01 * random(40, 16, seed=seed + 1)
        noise[:, 3:13] *= 300
        views.append(names + noise)
    found = lidar(views)
    assert 2.5 < found < 3.5
    assert rank_me(views[0]) > 8
    # Scale does not count, and few records bound it.
    assert lidar([1000 * view for view in views]) == pytest.approx(found)
    assert lidar([view[:3] for view in views]) <= 2 + 1e-3


def test_lidar_by_hand_on_one_dimension_is_one_and_of_a_point_no_number() -> None:
    assert lidar([random(9, 1), random(9, 1, seed=1)]) == pytest.approx(1, abs=1e-5)
    assert math.isnan(lidar([torch.ones(9, 4), torch.ones(9, 4)]))


def test_a_common_direction_that_grows_is_seen_by_rank_me_alone() -> None:
    """What transformers do in their first steps must not count as a collapse."""
    features = random(64, 32)
    before, after = measure(features), measure(features + 20)
    assert after.measures["effective_rank"] < 0.5 * before.measures["effective_rank"]
    assert after.rank == pytest.approx(before.rank)
    assert after.scatter == pytest.approx(before.scatter)


def test_a_look_measures_views_and_projections_where_there_are_any() -> None:
    features = random(32, 8)
    assert set(measure(features).measures) == {
        "effective_rank",
        "spread",
        "alpha_req",
        "uniformity",
    }
    seen = measure(features, [features[:9], features[:9]], projections=torch.ones(32, 4))
    assert {"alignment", "lidar"} < set(seen.measures)
    assert seen.task is not None
    assert seen.task[1] == pytest.approx(0, abs=1e-9)
