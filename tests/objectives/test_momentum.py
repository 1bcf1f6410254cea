"""Moving averages: what follows, what does not, and how fast."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from headstart.objectives.momentum import (
    MomentumSchedule,
    ema_update,
    eval_except_batch_norm,
    momentum_copy,
)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))


def test_a_copy_shares_nothing_and_gets_no_gradient():
    own = network()
    copied = momentum_copy(own)
    assert not any(p.requires_grad for p in copied.parameters())
    assert all(p.requires_grad for p in own.parameters())
    with torch.no_grad():
        own[0].weight.add_(1)
    assert not torch.equal(copied[0].weight, own[0].weight)


def test_a_copy_moves_by_the_share_that_the_momentum_leaves():
    own, copied = network(), momentum_copy(network())
    before = copied[0].weight.clone()
    ema_update(copied, own, 0.9)
    torch.testing.assert_close(copied[0].weight, 0.9 * before + 0.1 * own[0].weight)
    ema_update(copied, own, 0.0)
    torch.testing.assert_close(copied[0].weight, own[0].weight)


def test_statistics_follow_unless_the_copy_gathers_its_own():
    own, copied = network(), momentum_copy(network())
    own[1].running_mean.fill_(1.0)
    own[1].num_batches_tracked.fill_(7)
    eval_except_batch_norm(copied)
    ema_update(copied, own, 0.5)
    assert not copied[1].running_mean.any()
    copied.eval()
    ema_update(copied, own, 0.5)
    assert copied[1].running_mean.tolist() == [0.5] * 4
    assert copied[1].num_batches_tracked.item() == 7


def test_a_calm_copy_has_the_statistics_of_the_batch_and_no_dropout():
    copied = momentum_copy(network())
    eval_except_batch_norm(copied)
    assert [module.training for module in copied] == [False, True, False]


def test_in_a_long_run_the_momentum_is_the_paper_s():
    pace = MomentumSchedule(0.99, 0.1, rising=False)
    steps = 100_000
    assert pace.advance(1 / steps) == 0.99
    assert pace.advance(2 / steps) == 0.99


def test_in_a_short_run_the_copy_remembers_a_share_of_it():
    pace = MomentumSchedule(0.999, 0.1, rising=False)
    assert pace.advance(0.01) == pytest.approx(math.exp(-0.1))
    assert pace.advance(0.02) == pytest.approx(math.exp(-0.1))


def test_a_rising_momentum_ends_at_one():
    """BYOL: ``1 - (1 - tau0)(cos(pi k/K) + 1)/2``."""
    pace = MomentumSchedule(0.99, 1e9, rising=True)
    for progress in (0.001, 0.5, 0.9):
        wanted = 1 - 0.01 * (math.cos(math.pi * progress) + 1) / 2
        assert pace.advance(progress) == pytest.approx(wanted)
    assert pace.advance(1.0) == 1.0
