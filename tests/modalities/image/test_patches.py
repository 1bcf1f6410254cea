"""Patches are clustered where they are whitened, and activate what they are nearest to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.modalities.image import patches as module
from headstart.modalities.image.patches import CONTRAST, SIDE, STRIDE, WHITENING, Patches


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    coarse = torch.from_numpy(random.integers(0, 256, (40, 3, 5, 5)).astype(np.float32))
    return torch.nn.functional.interpolate(coarse, (18, 20), mode="bilinear").byte()


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(module, "CENTROIDS", 12)
    monkeypatch.setattr(module, "PATCHES", 2000)


def test_activations_are_those_of_the_paper(images, small, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 1.0)
    patches = Patches(images, seed=3)
    # Coates et al. 2011, sections 3.1 and 3.2, one patch after the other, in whitened space.
    drawn = module._sample(images, 3).double().numpy()
    mean, spread = drawn.mean(0), np.cov(drawn.T, bias=True)
    values, vectors = np.linalg.eigh(spread)
    zca = vectors / np.sqrt(values.clip(0) + WHITENING) @ vectors.T
    # The centroids are in the principal axes; turned back they are in the space of ZCA.
    axes = patches._whiten.double().numpy()
    centroids = patches._centroids.double().numpy() @ (axes / np.linalg.norm(axes, axis=0)).T
    wanted = np.zeros((2, 2, 12))
    counts = np.zeros((2, 2))
    image = images[5].double().numpy()
    down, across = ((side - SIDE) // STRIDE + 1 for side in image.shape[1:])
    for row in range(down):
        for column in range(across):
            top, left = row * STRIDE, column * STRIDE
            patch = image[:, top : top + SIDE, left : left + SIDE].ravel()
            patch = (patch - patch.mean()) / np.sqrt(patch.var(ddof=1) + CONTRAST)
            distances = np.linalg.norm(zca @ (patch - mean) - centroids, axis=1)
            quadrant = row * 2 // down, column * 2 // across
            wanted[quadrant] += np.maximum(0, distances.mean() - distances)
            counts[quadrant] += 1
    wanted /= counts[..., None]
    assert patches(images[[5]])[0].numpy() == pytest.approx(wanted.ravel(), abs=1e-3)


def test_the_dropped_dimensions_change_little(images, small, monkeypatch):
    found = Patches(images, seed=0)
    width = found._whiten.shape[1]
    assert width < 3 * SIDE**2
    monkeypatch.setattr(module, "KEPT", 1.0)
    assert Patches(images, seed=0)._whiten.shape[1] > width


def test_they_are_a_function_of_images_and_seed(images, small):
    one, again, other = (Patches(images, seed)(images) for seed in (1, 1, 2))
    assert one.shape == (40, 4 * 12)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.allclose(Patches(images, 1)(images[[9]]), one[[9]], atol=1e-5)


def test_a_picture_is_told_by_quadrant(images, small):
    patches = Patches(images, seed=0)
    changed = images[[0]].clone()
    changed[:, :, :6, :6] = 255 - changed[:, :, :6, :6]
    one, other = (patches(part).view(4, 12) for part in (images[[0]], changed))
    assert not torch.allclose(one[0], other[0], atol=1e-3)
    assert torch.allclose(one[3], other[3], atol=1e-5)
