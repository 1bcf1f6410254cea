"""The VAE: the divergence, the bound by hand, samples, and that it learns."""

from __future__ import annotations

import math

import pytest
import torch
from pretext import (
    NarrowConv,
    build,
    images,
    neighbours,
    pure,
    same_gradients,
    teach,
    without_gradient,
)
from torch.distributions import Bernoulli, Normal, kl_divergence

from headstart.objectives.decoders import ImageGenerator
from headstart.objectives.variational import VAE, kl_from_standard
from headstart.seeding import generator


def test_the_divergence_is_that_of_two_gaussians():
    mean, log_variance = torch.randn(2, 5, 7, generator=generator(0))
    theirs = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_from_standard(mean, log_variance), theirs)
    assert kl_from_standard(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0


@pytest.mark.parametrize("beta", [1.0, 4.0])
@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_loss_and_gradients_equal_the_definition_written_out(likelihood, beta):
    objective = build(VAE, NarrowConv(), latent=5, channels=4, likelihood=likelihood, beta=beta)
    objective.eval()
    batch = objective.corrupt({"pixels": images(16)[:3] // 128 * 255}, generator(1))
    losses = []
    for row in range(3):
        pooled = objective.encoder.pool({"pixels": batch["pixels"][row, None]})
        mean, log_variance = objective.posterior(pooled)[0].chunk(2)
        latent = mean + torch.sqrt(log_variance.exp()) * batch["noise"][row]
        drawn = objective.generator(latent[None])[0].sigmoid()
        given = (
            Normal(drawn, objective.log_deviation.exp())
            if likelihood == "gaussian"
            else Bernoulli(drawn)
        )
        likely = given.log_prob(batch["pixels"][row]).sum()
        apart = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
        losses.append((beta * apart - likely) / 768)
    same_gradients(objective(batch)["loss"], torch.stack(losses).mean(), objective, 10)


def test_the_noise_is_standard_normal_and_from_the_generator_alone():
    objective = build(VAE, latent=50)
    pure(objective)
    noise = objective.corrupt({"pixels": images(16)[:200]}, generator(2))["noise"]
    assert noise.std().item() == pytest.approx(1, abs=0.03)
    assert abs(noise.mean().item()) < 0.03


def test_a_perfect_drawing_has_no_endless_likelihood():
    objective = build(VAE, channels=4)
    objective.log_deviation.data.fill_(-50.0)
    batch = objective.corrupt({"pixels": images(16)[:2]}, generator(3))
    assert math.isfinite(objective(batch)["loss"].item())


def test_every_parameter_moves():
    assert without_gradient(build(VAE, channels=8)) == []
    assert without_gradient(build(VAE, channels=8, likelihood="bernoulli")) == []


def test_it_learns_and_draws(tmp_path):
    objective = build(VAE, NarrowConv(), channels=16, latent=16)
    history = teach(objective, 300)
    assert history["loss"][-1] < history["loss"][0] - 1
    assert neighbours(objective.encoder) > neighbours(NarrowConv()) + 0.03
    drawn = objective.sample(64, generator(4))
    assert drawn.shape == (64, 3, 16, 16)
    # It draws images as bright as the real ones, not grey.
    assert drawn.mean().item() == pytest.approx(images(16).float().mean().item() / 255, abs=0.1)
    assert drawn.std(0).mean() > 0.08
    objective.save_head(tmp_path)
    again = ImageGenerator.load(tmp_path).sample(64, generator(4))
    assert torch.equal(drawn, again)
