"""Separation: SI-SDR, PIT and MixIT by hand, and networks that learn to divide tones from noise."""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
import pytest

pytest.importorskip("soundfile", reason="the extra `audio` is not installed")

import torch
from lesson import teach, without_gradient
from spoken import RATE, separator

from headstart.objectives.separation import (
    Mixit,
    MixitOptions,
    Pit,
    PitOptions,
    stacked,
)
from headstart.objectives.separation_losses import consistent, mixit_loss, pit_loss, si_sdr
from headstart.seeding import generator

SIZE = 400


def signals(*shape: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, 60, generator=random, dtype=torch.float64)


def naive_si_sdr(estimate: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    e, s = estimate - estimate.mean(), source - source.mean()
    scaled = torch.dot(e, s) / torch.dot(s, s) * s
    return 10 * torch.log10(torch.dot(scaled, scaled) / torch.dot(e - scaled, e - scaled))


def naive_pit(estimates: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    count = len(sources)
    means = [
        sum(naive_si_sdr(estimates[order[n]], sources[n]) for n in range(count)) / count
        for order in permutations(range(count))
    ]
    return -torch.stack(means).max()


def naive_mixit(estimates: torch.Tensor, mixtures: torch.Tensor) -> torch.Tensor:
    losses = []
    for way in product((0, 1), repeat=len(estimates)):
        total = 0.0
        for number, mixture in enumerate(mixtures):
            summed = sum(
                (e for e, mine in zip(estimates, way, strict=True) if mine == number),
                torch.zeros_like(mixture),
            )
            power, error = mixture.square().sum(), (mixture - summed).square().sum()
            total = total + 10 * torch.log10(error + 1e-3 * power) - 10 * torch.log10(power)
        losses.append(total / 2)
    return torch.stack(losses).min()


def test_si_sdr_is_the_naive_one_and_knows_no_scale() -> None:
    one, other = signals(), signals(seed=1)
    assert si_sdr(one, other).item() == pytest.approx(naive_si_sdr(one, other).item(), rel=1e-6)
    assert si_sdr(7 * one + 3, other).item() == pytest.approx(si_sdr(one, other).item(), rel=1e-6)
    assert si_sdr(other, other) > 60


@pytest.mark.parametrize("count", [2, 3])
def test_pit_and_its_gradient_are_those_of_all_orders(count: int) -> None:
    estimates, sources = signals(3, count).requires_grad_(), signals(3, count, seed=1)
    loss, order = pit_loss(estimates, sources)
    naive = torch.stack([naive_pit(*pair) for pair in zip(estimates, sources, strict=True)])
    assert torch.allclose(loss, naive)
    (found,) = torch.autograd.grad(loss.sum(), estimates)
    (expected,) = torch.autograd.grad(naive.sum(), estimates)
    assert torch.allclose(found, expected, atol=1e-8)
    chosen = estimates.gather(1, order[:, :, None].expand_as(estimates))
    assert torch.allclose(-si_sdr(chosen, sources).mean(1), loss)


def test_pit_does_not_depend_on_the_order_of_the_outputs() -> None:
    sources = signals(2, 3)
    noisy = sources + 0.1 * signals(2, 3, seed=4)
    assert torch.allclose(pit_loss(noisy, sources)[0], pit_loss(noisy[:, [2, 0, 1]], sources)[0])


@pytest.mark.parametrize("count", [2, 4])
def test_mixit_and_its_gradient_are_those_of_all_assignments(count: int) -> None:
    estimates, mixtures = signals(3, count).requires_grad_(), signals(3, 2, seed=1)
    loss, _ = mixit_loss(estimates, mixtures)
    naive = torch.stack([naive_mixit(*pair) for pair in zip(estimates, mixtures, strict=True)])
    assert torch.allclose(loss, naive)
    (found,) = torch.autograd.grad(loss.sum(), estimates)
    (expected,) = torch.autograd.grad(naive.sum(), estimates)
    assert torch.allclose(found, expected, atol=1e-8)


def test_the_true_sources_reach_the_least_that_mixit_can() -> None:
    sources = signals(1, 4)
    mixtures = torch.stack([sources[:, [0, 3]].sum(1), sources[:, [1, 2]].sum(1)], 1)
    loss, way = mixit_loss(sources, mixtures)
    assert loss.item() == pytest.approx(10 * math.log10(1e-3), abs=1e-6)
    assert way.tolist() in ([[0, 1, 1, 0]], [[1, 0, 0, 1]])


def test_consistent_signals_add_up_to_the_mixture() -> None:
    mixture = signals(2)
    assert torch.allclose(consistent(signals(2, 3, seed=1), mixture).sum(1), mixture)


@pytest.mark.parametrize("kind", ["pit", "mixit"])
def test_mixtures_are_a_pure_function_and_the_sum_of_other_recordings(kind: str) -> None:
    objective = built(kind)
    batch = tones(6, 0)
    one = objective.corrupt(batch, generator(3))
    other = objective.corrupt(batch, generator(3))
    assert all(torch.equal(one[name], other[name]) for name in one)
    parts = one["sources" if kind == "pit" else "mixtures"]
    assert torch.allclose(parts.sum(1), one["waveform"][:, 0], atol=1e-6)
    assert (one["lengths"] >= batch["lengths"]).all()


def test_no_recording_is_mixed_with_itself() -> None:
    rows = torch.eye(5).repeat_interleave(4, 1)
    for seed in range(20):
        found, _ = stacked(rows, torch.full((5,), 20), 3, generator(seed))
        assert len({tuple(each.tolist()) for each in found[2]}) == 3


def test_a_short_recording_stands_somewhere_within_the_longer_one() -> None:
    rows = torch.tensor([[1.0, 1, 0, 0, 0, 0], [2, 2, 2, 2, 2, 2]])
    starts = set()
    for seed in range(30):
        found, lengths = stacked(rows, torch.tensor([2, 6]), 2, generator(seed))
        assert lengths.tolist() == [6, 6]
        assert found[0, 0].sum() == 2
        starts.add(int(found[0, 0].argmax()))
    assert len(starts) > 2


def built(kind: str) -> Pit | Mixit:
    if kind == "pit":
        return Pit(separator(), None, PitOptions())  # type: ignore[arg-type]
    return Mixit(separator(), None, MixitOptions(voices=1))  # type: ignore[arg-type]


def tones(count: int, seed: int) -> dict[str, torch.Tensor]:
    """Return recordings that are a low or a high tone each, of various lengths."""
    rng = np.random.default_rng(seed)
    waveform, lengths = torch.zeros(count, 1, SIZE), rng.integers(SIZE // 2, SIZE + 1, count)
    for row, length in enumerate(lengths):
        pitch = rng.uniform(200, 500) if row % 2 else rng.uniform(2000, 3000)
        at = np.arange(length) / RATE
        samples = 0.3 * np.sin(2 * np.pi * pitch * at + rng.uniform(0, 6))
        waveform[row, 0, :length] = torch.from_numpy(samples).float()
    return {"waveform": waveform, "lengths": torch.from_numpy(lengths)}


@pytest.mark.parametrize("kind", ["pit", "mixit"])
def test_every_weight_gets_a_gradient(kind: str) -> None:
    objective = built(kind)
    teach(objective, lambda step: tones(6, step), 2, 1e-3, lambda step: 1.0)
    assert without_gradient(objective, tones(6, 9)) == []


#: The loss that must be reached. Half of the sum for each mixture has -3 dB in MixIT, and the sum
#: itself about 0 in PIT.
LEARNED = {"pit": -8.0, "mixit": -8.0}


@pytest.mark.parametrize("kind", list(LEARNED))
def test_it_learns_to_separate(kind: str) -> None:
    objective = built(kind)
    # Of two recordings each mixture has both, a low tone and a high one.
    history = teach(objective, lambda step: tones(2, step), 120, 5e-3, lambda step: 1.0, clip=5.0)
    before, after = np.mean(history["loss"][:5]), np.mean(history["loss"][-10:])
    print(f"{kind}: {before:.1f} dB, then {after:.1f}")
    assert after < min(before - 1, LEARNED[kind])


def test_the_number_of_outputs_is_that_of_the_objective() -> None:
    assert Pit(separator(), None, PitOptions(sources=3)).encoder.outputs == 3  # type: ignore[arg-type]
    assert Mixit(separator(), None, MixitOptions()).encoder.outputs == 4  # type: ignore[arg-type]
    many = separator(outputs=6)
    assert Mixit(many, None, MixitOptions()).encoder.outputs == 6  # type: ignore[arg-type]
