"""Auto-encoders: noise, what is restored, the loss by hand, and that they learn."""

from __future__ import annotations

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

from headstart.objectives.noise import NOISES
from headstart.objectives.reconstruction import AutoEncoder, Denoising
from headstart.seeding import generator


def test_each_noise_hits_what_it_says():
    clean = torch.rand(100, 50, generator=generator(0)) * 0.8 + 0.1
    noisy = {name: noise(clean, 0.2, generator(1)) for name, noise in NOISES.items()}
    apart = noisy["gaussian"] - clean
    assert apart.std().item() == pytest.approx(0.2, rel=0.05)
    assert abs(apart.mean().item()) < 0.01
    hidden = noisy["masking"] != clean
    assert hidden.float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert (noisy["masking"][hidden] == 0).all()
    hit = noisy["salt_and_pepper"] != clean
    assert hit.float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert noisy["salt_and_pepper"][hit].mean().item() == pytest.approx(0.5, abs=0.05)
    assert set(noisy["salt_and_pepper"][hit].tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("noise", list(NOISES))
def test_only_what_is_seen_is_noisy(noise):
    objective = build(Denoising, noise=noise)
    batch = objective.corrupt({"pixels": images(16)[:4]}, generator(2))
    assert torch.equal(batch["clean"], images(16)[:4] / 255)
    assert not torch.equal(batch["pixels"], batch["clean"])
    pure(objective)


@pytest.mark.parametrize("bottleneck", ["pooled", "grid"])
@pytest.mark.parametrize("kind", [AutoEncoder, Denoising])
def test_loss_and_gradients_equal_the_definition_written_out(kind, bottleneck):
    objective = build(kind, NarrowConv(), bottleneck=bottleneck, channels=4).eval()
    batch = objective.corrupt({"pixels": images(16)[:2]}, generator(3))
    features = objective.encoder({"pixels": batch["pixels"]})
    seen = features.pooled if bottleneck == "pooled" else features.tokens
    logits = objective.decoder(seen)
    terms = [
        (1 / (1 + torch.exp(-logits[row, colour, i, j])) - batch["clean"][row, colour, i, j]) ** 2
        for row in range(2)
        for colour in range(3)
        for i in range(16)
        for j in range(16)
    ]
    same_gradients(objective(batch)["loss"], torch.stack(terms).mean(), objective, 10)


def test_pictures_that_are_stored_larger_are_shrunk():
    objective = build(AutoEncoder)
    batch = objective.corrupt({"pixels": images(32)[:2]}, generator(4))
    assert batch["pixels"].shape == (2, 3, 16, 16)


def test_every_parameter_moves():
    for kind in (AutoEncoder, Denoising):
        for bottleneck in ("pooled", "grid"):
            assert without_gradient(build(kind, bottleneck=bottleneck, channels=8)) == []


@pytest.mark.parametrize("kind", [AutoEncoder, Denoising])
def test_it_learns(kind):
    objective = build(kind, NarrowConv(), channels=16)
    history = teach(objective, 60)
    assert history["loss"][-1] < history["loss"][0] / 3
    assert neighbours(objective.encoder) > neighbours(NarrowConv()) + 0.08
