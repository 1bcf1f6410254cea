"""GAN and BiGAN: each player's gradient against a step of its own, samples, and they learn."""

from __future__ import annotations

import copy

import pytest
import torch
from pretext import NarrowConv, build, images, neighbours, pure, teach, without_gradient
from torch.nn import functional as F

from headstart.config import OptimizerOptions
from headstart.objectives.adversarial import GAN, BiGAN, two_players
from headstart.objectives.decoders import ImageGenerator
from headstart.seeding import generator
from headstart.training import optimizers

SMALL = {"channels": 8, "latent": 6}


def against(logits, wanted):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, wanted))


def same(objective, wanted):
    for name, parameter in objective.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted[name], rtol=1e-3, atol=1e-7)
        assert parameter.grad.any(), name


def gradients(loss, module):
    """The gradients of a loss by all parameters of a module, by their names."""
    names = [name for name, _ in module.named_parameters()]
    found = torch.autograd.grad(
        loss, list(module.parameters()), retain_graph=True, allow_unused=True
    )
    return dict(zip(names, found, strict=True))


def test_in_a_gan_each_player_gets_the_gradient_of_its_own_step():
    objective = build(GAN, NarrowConv(), **SMALL).train()
    naive = copy.deepcopy(objective)
    batch = objective.corrupt({"pixels": images(16)[:12]}, generator(0))
    objective(batch)["loss"].backward()

    def judge(pixels):
        return naive.head(naive.encoder.pool({"pixels": pixels}))

    drawn = naive.generator(batch["noise"]).sigmoid()
    first = gradients(against(judge(batch["pixels"]), 1.0), naive)
    buffers = {n: b.clone() for n, b in naive.encoder.named_buffers()}
    second = gradients(against(judge(drawn.detach()), 0.0), naive)
    third = gradients(against(judge(drawn), 1.0), naive)
    wanted = {
        name: third[name] if name.startswith("generator.") else first[name] + second[name]
        for name in first
    }
    same(objective, wanted)
    # The running statistics that are kept are those of the real images alone.
    for name, buffer in objective.encoder.named_buffers():
        torch.testing.assert_close(buffer, buffers[name])


def test_in_a_bigan_encoder_and_generator_play_together_against_the_judge():
    objective = build(BiGAN, NarrowConv(), judge_channels=4, judge_width=8, **SMALL).train()
    naive = copy.deepcopy(objective)
    batch = objective.corrupt({"pixels": images(16)[:12]}, generator(1))
    objective(batch)["loss"].backward()
    drawn = naive.generator(batch["noise"]).sigmoid()
    code = naive.code(naive.encoder.pool({"pixels": batch["pixels"]}))
    judging = gradients(
        against(naive.discriminator(batch["pixels"], code), 1.0)
        + against(naive.discriminator(drawn, batch["noise"]), 0.0),
        naive,
    )
    # Non-saturating: the same two terms with the labels exchanged.
    making = gradients(
        against(naive.discriminator(batch["pixels"], code), 0.0)
        + against(naive.discriminator(drawn, batch["noise"]), 1.0),
        naive,
    )
    same(objective, {n: (judging if n.startswith("discriminator.") else making)[n] for n in making})


def test_the_losses_are_those_of_the_definition():
    real, drawn, fooling, unmasking = torch.randn(4, 5, 1, generator=generator(2))
    losses = two_players(real, drawn, fooling, unmasking)
    probability = torch.sigmoid
    torch.testing.assert_close(
        losses["judging"], -(probability(real).log().mean() + (1 - probability(drawn)).log().mean())
    )
    torch.testing.assert_close(
        losses["making"],
        -(probability(fooling).log().mean() + (1 - probability(unmasking)).log().mean()),
    )
    torch.testing.assert_close(losses["loss"], losses["judging"] + losses["making"])


@pytest.mark.parametrize("kind", [GAN, BiGAN])
def test_corruption_draws_from_the_generator_alone(kind):
    pure(build(kind, **SMALL))


@pytest.mark.parametrize("kind", [GAN, BiGAN])
def test_every_parameter_moves_and_the_encoder_stands_in_the_state_once(kind):
    objective = build(kind, **SMALL)
    assert without_gradient(objective) == []
    kept = [name for name in objective.state_dict() if name.endswith("network.0.weight")]
    assert kept == ["encoder.network.0.weight"]


@pytest.mark.parametrize("kind", [GAN, BiGAN])
def test_adam_gets_the_decays_of_dcgan(kind):
    objective = build(kind, **SMALL)
    optimizer = optimizers.build(objective, OptimizerOptions(), 2e-4)
    groups = optimizer.param_groups
    assert {(group["peak"], group["betas"]) for group in groups} == {(2e-4, (0.5, 0.999))}
    moved = sum(len(group["params"]) for group in groups)
    assert moved == len(list(objective.parameters()))


@pytest.mark.parametrize("kind", [GAN, BiGAN])
def test_samples_come_back_from_what_was_saved(kind, tmp_path):
    objective = build(kind, **SMALL)
    objective.train()
    drawn = objective.sample(3, generator(3))
    assert drawn.shape == (3, 3, 16, 16)
    assert 0 <= drawn.min() <= drawn.max() <= 1
    assert objective.generator.training
    objective.save_head(tmp_path)
    assert torch.equal(ImageGenerator.load(tmp_path).sample(3, generator(3)), drawn)


def test_a_gan_learns():
    objective = build(GAN, NarrowConv(), channels=16)
    teach(objective, 100, rate=2e-4)
    assert neighbours(objective.encoder) > neighbours(NarrowConv()) + 0.02


def test_a_bigan_learns():
    objective = build(
        BiGAN, NarrowConv(), channels=16, latent=16, judge_channels=16, judge_width=64
    )
    teach(objective, 150, rate=1e-3)
    assert neighbours(objective.encoder) > neighbours(NarrowConv()) + 0.04
