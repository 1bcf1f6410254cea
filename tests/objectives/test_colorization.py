"""Colorization: the colour space and its bins, the loss by hand, two processes, and it learns."""

from __future__ import annotations

import io
import math

import lesson
import numpy as np
import pytest
import torch
import torch.distributed as distributed
from pair import in_two_processes
from pretext import NarrowConv, build, same_gradients
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from headstart.objectives.colorization import Colorization, annealed_mean, balance
from headstart.objectives.lab import from_lab, gamut, soft_bins, to_lab
from headstart.seeding import generator


def colourful(rows: int = 4, size: int = 16) -> torch.Tensor:
    """Images of smooth random colours, 0..1."""
    small = torch.rand(rows, 3, 4, 4, generator=generator(0, "colours"))
    return nn.functional.interpolate(small, (size, size), mode="bilinear").clamp(0, 1)


def test_lab_of_known_colours():
    # Bruce Lindbloom's values for sRGB and D65.
    known = {
        (1.0, 1.0, 1.0): (100, 0, 0),
        (0.0, 0.0, 0.0): (0, 0, 0),
        (1.0, 0.0, 0.0): (53.2408, 80.0925, 67.2032),
        (0.0, 1.0, 0.0): (87.7347, -86.1827, 83.1793),
        (0.0, 0.0, 1.0): (32.2970, 79.1875, -107.8602),
        (0.5, 0.5, 0.5): (53.3890, 0, 0),
    }
    for rgb, lab in known.items():
        ours = to_lab(torch.tensor(rgb).view(3, 1, 1)).flatten()
        torch.testing.assert_close(ours, torch.tensor(lab, dtype=torch.float), atol=0.01, rtol=0)


def test_lab_comes_back_and_is_not_rounded_under_bf16():
    pixels = colourful()
    torch.testing.assert_close(from_lab(to_lab(pixels)), pixels, atol=1e-4, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(from_lab(to_lab(pixels)), pixels, atol=1e-4, rtol=0)


def test_every_colour_has_its_four_grid_points_among_the_bins():
    bins = gamut()
    assert bins.shape == (309, 2)
    assert bins[0].tolist() == [-90, 50]
    assert (bins % 10 == 0).all()
    known = {(int(a), int(b)) for a, b in bins}
    ab = to_lab(torch.rand(20000, 3, 1, 1, generator=generator(1)))[:, 1:].flatten(1)
    for a, b in (ab / 10).floor().int().unique(dim=0).tolist():
        for corner in ((a, b), (a + 1, b), (a, b + 1), (a + 1, b + 1)):
            assert (corner[0] * 10, corner[1] * 10) in known


def test_a_colour_is_shared_by_its_five_nearest_bins():
    bins = gamut()
    colours = torch.tensor([[3.0, 4.0], [0.0, 0.0], [-52.5, 41.0]])
    shares = soft_bins(colours, bins)
    for colour, share in zip(colours, shares, strict=True):
        distance = [math.dist(colour, bin) for bin in bins.tolist()]
        near = sorted(range(len(bins)), key=lambda i: distance[i])[:5]
        weights = [math.exp(-(distance[i] ** 2) / 50) for i in near]
        expected = torch.zeros(len(bins))
        # At the origin four bins are equally far; which come in does not matter to the sums.
        expected[near] = torch.tensor(weights) / sum(weights)
        torch.testing.assert_close(share.sort().values, expected.sort().values)
        assert int(share.argmax()) == near[0]


def test_rare_colours_weigh_more_and_the_mean_weight_is_one():
    prior = torch.tensor([0.7, 0.2, 0.1, 0.0])
    weight = balance(prior, 0.5)
    raw = [1 / (0.5 * p + 0.5 / 4) for p in prior.tolist()]
    mean = sum(p * w for p, w in zip(prior.tolist(), raw, strict=True))
    torch.testing.assert_close(weight, torch.tensor(raw) / mean)
    assert balance(prior, 1.0).eq(1).all()


def test_the_annealed_mean_goes_from_the_mean_to_the_likeliest_colour():
    bins = torch.tensor([[0.0, 0.0], [10.0, 20.0], [-30.0, 0.0]])
    logits = torch.tensor([0.5, 1.0, 0.2]).view(1, 3, 1, 1)
    shares = torch.tensor([math.exp(v / 0.38) for v in (0.5, 1.0, 0.2)])
    expected = (shares / shares.sum()) @ bins
    torch.testing.assert_close(annealed_mean(logits, bins, 0.38).flatten(), expected)
    torch.testing.assert_close(annealed_mean(logits, bins, 1e-3).flatten(), bins[1])


def test_corruption_hides_the_colour_and_keeps_the_lightness():
    objective = build(Colorization)
    pixels = colourful()
    batch = objective.corrupt({"pixels": pixels}, generator(2))
    assert (batch["pixels"] == batch["pixels"][:, :1]).all()
    assert 0 <= batch["pixels"].min() <= batch["pixels"].max() <= 1
    assert batch["ab"].shape == (4, 2, 4, 4)
    again = objective.corrupt({"pixels": pixels}, generator(2))
    assert torch.equal(batch["ab"], again["ab"])


def test_loss_and_gradients_equal_the_definition_written_out():
    objective = build(Colorization, NarrowConv(), channels=8).eval()
    objective.prior.copy_(torch.rand(309, generator=generator(3)))
    objective.prior.div_(objective.prior.sum())
    batch = objective.corrupt({"pixels": colourful(2)}, generator(4))
    logits = objective.head(objective.encoder(batch).tokens)
    weight = balance(objective.prior, 0.5)
    terms = []
    for row in range(2):
        for i in range(4):
            for j in range(4):
                share = soft_bins(batch["ab"][row, :, i, j][None], objective.bins)[0]
                log = logits[row, :, i, j] - torch.logsumexp(logits[row, :, i, j], 0)
                terms.append(-weight[int(share.argmax())] * (share * log).sum())
    same_gradients(objective(batch)["loss"], torch.stack(terms).mean(), objective, 10)


def test_the_prior_follows_what_is_seen_in_training_only():
    objective = build(Colorization, channels=8, memory=0.5)
    batch = objective.corrupt({"pixels": colourful()}, generator(5))
    before = objective.prior.clone()
    objective.eval()(batch)
    assert torch.equal(objective.prior, before)
    objective.train()(batch)
    ab = batch["ab"].permute(0, 2, 3, 1).flatten(0, 2)
    seen = soft_bins(ab, objective.bins).mean(0)
    torch.testing.assert_close(objective.prior, 0.5 * before + 0.5 * seen)


def _step(rows: slice) -> torch.Tensor:
    """The prior, then loss and a gradient, of a step on some of the rows, batch norm at rest."""
    objective = build(Colorization, NarrowConv(), channels=8, memory=0.5)
    batch = objective.corrupt({"pixels": colourful(8)}, generator(6))
    objective.train()
    for module in objective.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    loss = objective({name: tensor[rows] for name, tensor in batch.items()})["loss"]
    loss.backward()
    gradient = objective.encoder.network[0].weight.grad.flatten()
    return torch.cat([objective.prior, loss.detach()[None], gradient])


def _one_of_two(rank: int, folder: str) -> None:
    total = _step(slice(4 * rank, 4 * rank + 4))
    distributed.all_reduce(total)  # what DistributedDataParallel does, and the mean of the priors
    if rank == 0:
        torch.save(total / 2, f"{folder}/two.pt")


def test_two_processes_give_the_prior_loss_and_gradient_of_one(tmp_path):
    one = _step(slice(0, 8))
    in_two_processes(_one_of_two, tmp_path)
    two = torch.load(tmp_path / "two.pt", weights_only=True)
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-6)


def test_the_report_shows_lightness_and_colours():
    objective = build(Colorization)
    pixels = colourful()
    preview = objective.preview_images(objective.corrupt({"pixels": pixels}, generator(8)))
    assert (to_lab(preview["seen"])[:, 1:].abs() < 0.1).all()  # grey
    assert (preview["wanted"] - preview["wanted"].mean(1, keepdim=True)).abs().max() > 0.05
    assert (preview["wanted"] - pixels).abs().mean() < 0.15


def test_every_parameter_moves():
    objective = build(Colorization, channels=8)
    objective(objective.corrupt({"pixels": colourful(8)}, generator(7)))["loss"].backward()
    assert [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.fixture(scope="module")
def photos():
    """2,000 photos to learn from and 1,000 to test, 32 x 32, with their labels."""
    import os
    from pathlib import Path

    image = pytest.importorskip("PIL.Image")
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("HEADSTART_DATA", root.parent / "shared" / "data"))
    file = folder / "cifar10" / "cifar10_jpeg.npz"
    if not file.exists():
        pytest.skip(f"cifar10 is not in {folder}; set HEADSTART_DATA to a folder that has it")
    parts = []
    with np.load(file) as stored:
        for name, count in (("train", 2000), ("test", 1000)):
            data, offsets = stored[f"{name}_jpeg"], stored[f"{name}_offsets"]
            indices = np.random.default_rng(0).permutation(len(offsets) - 1)[:count]
            pixels = [
                np.asarray(image.open(io.BytesIO(data[offsets[p] : offsets[p + 1]].tobytes())))
                for p in indices
            ]
            parts += [torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()]
            parts += [stored[f"{name}_labels"][indices]]
    return parts


def nearest(encoder, photos) -> float:
    """The accuracy of twenty nearest neighbours by cosine, on lightness as in training."""
    train, labels, test, wanted = photos
    encoder.eval()
    with torch.no_grad():
        known, new = (
            encoder.pool({"pixels": (to_lab(part / 255)[:, :1] / 100).expand(-1, 3, -1, -1)})
            for part in (train, test)
        )
    return KNeighborsClassifier(20, metric="cosine").fit(known, labels).score(new, wanted)


def test_it_learns(photos):
    steps, objective = 200, build(Colorization, NarrowConv(), size=32, channels=32)

    def batch(step):
        return {"pixels": photos[0][torch.randint(2000, (64,), generator=generator(0, step))]}

    history = lesson.teach(objective, batch, steps, 3e-3, lambda step: min(1, 2 - 2 * step / steps))
    assert history["plain_loss"][-1] < history["plain_loss"][0] - 2
    assert nearest(objective.encoder, photos) > nearest(NarrowConv(), photos) + 0.02
    grey = torch.linspace(0.2, 0.8, 32).expand(2, 3, 32, 32)
    painted = objective.eval().decode(grey)
    assert painted.shape == (2, 3, 32, 32)
    torch.testing.assert_close(to_lab(painted)[:, 0] / 100, grey[:, 0], atol=0.05, rtol=0)
