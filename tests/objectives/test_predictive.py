"""CPC: the patches, what a context may see, InfoNCE by hand, two processes, and it learns."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as distributed
from pair import in_two_processes
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
from torch.nn import functional as F

from headstart.errors import HeadstartError
from headstart.objectives.predictive import CPC, among_all
from headstart.seeding import generator


def test_the_published_grid_is_seven_patches_of_64_in_256_pixels():
    objective = build(CPC, size=256)
    assert (objective.grid, objective.patch, objective.side) == (7, 64, 64)
    assert objective.steps == [2, 3, 4]  # rows that share no pixel with the nearest one seen


def test_small_pictures_have_nine_patches_that_overlap_by_half():
    objective = build(CPC, size=32)
    assert (objective.grid, objective.patch, objective.steps) == (3, 16, [1, 2])
    pixels = torch.rand(2, 3, 32, 32, generator=generator(0))
    objective.augment = lambda batch, generator, kind: {"pixels": pixels}
    tiles = objective.corrupt({"pixels": pixels}, generator(1))["tiles"]
    for index in range(9):
        top, left = 8 * (index // 3), 8 * (index % 3)
        assert torch.equal(tiles[:, index], pixels[:, :, top : top + 16, left : left + 16])


def test_a_grid_without_a_row_to_predict_is_refused():
    with pytest.raises(HeadstartError, match="grid of 3 rows"):
        build(CPC, size=32, first=5)


def test_corruption_is_pure():
    objective = build(CPC, size=32)
    pure(objective, size=32)


def test_the_context_of_a_row_does_not_see_the_rows_below():
    objective = build(CPC, NarrowConv(), grid=5, size=32, hidden=8)
    maps = torch.randn(1, 16, 5, 5, generator=generator(2), requires_grad=True)
    for row in range(5):
        gradient = torch.autograd.grad(objective.context(maps)[0, :, row].sum(), maps)[0]
        assert not gradient[:, :, row + 1 :].any()
        assert gradient[:, :, : row + 1].any(1).all()


def test_loss_and_gradients_equal_the_definition_written_out():
    objective = build(CPC, NarrowConv(), size=32, hidden=8, targets=6).eval()
    batch = objective.corrupt({"pixels": images(32)[:2]}, generator(3))
    vectors = torch.stack(
        [
            torch.stack([objective.encoder.pool({"pixels": tile[None]})[0] for tile in tiles])
            for tiles in batch["tiles"]
        ]
    )
    vectors = F.layer_norm(vectors, (16,))
    context = objective.context(vectors.transpose(1, 2).reshape(2, 16, 3, 3))
    targets = objective.target(vectors)
    losses = []
    for step, predict in zip((1, 2), objective.predict, strict=True):
        terms = []
        for row in range(2):
            for i in range(3 - step):
                for j in range(3):
                    guess = 0.1 * predict(context[row, :, i, j])
                    positive = guess @ targets[row, 3 * (i + step) + j]
                    negatives = [
                        guess @ targets[other, index]
                        for other in range(2)
                        for index in range(9)
                        if (other, index) != (row, 3 * (i + step) + j)
                    ]
                    scores = torch.stack([positive, *negatives])
                    terms.append(-torch.log(scores.exp()[0] / scores.exp().sum()))
        losses.append(torch.stack(terms).mean())
    same_gradients(objective(batch)["loss"], torch.stack(losses).mean(), objective, 20)


def make_pairs():
    predicted = torch.randn(8, 5, generator=generator(4))
    targets = torch.randn(12, 5, generator=generator(5))
    return predicted, targets, torch.tensor([0, 2, 1, 5, 6, 8, 7, 11])


def _one_of_two(rank: int, folder: str) -> None:
    predicted, targets, positive = make_pairs()
    scale = torch.ones((), requires_grad=True)
    mine = slice(4 * rank, 4 * rank + 4)
    own = targets[6 * rank : 6 * rank + 6]
    loss = among_all(predicted[mine] * scale, own * scale**2, positive[mine] - 6 * rank)["loss"]
    loss.backward()
    values = torch.stack([loss.detach(), scale.grad])
    distributed.all_reduce(values)
    if rank == 0:
        torch.save(values / 2, f"{folder}/two.pt")


def test_two_processes_give_the_loss_and_gradient_of_one(tmp_path):
    predicted, targets, positive = make_pairs()
    scale = torch.ones((), requires_grad=True)
    loss = among_all(predicted * scale, targets * scale**2, positive)["loss"]
    loss.backward()
    in_two_processes(_one_of_two, tmp_path)
    two = torch.load(tmp_path / "two.pt", weights_only=True)
    torch.testing.assert_close(two, torch.stack([loss.detach(), scale.grad]))


def test_every_parameter_moves():
    assert without_gradient(build(CPC, size=32, hidden=16), 32) == []


def test_it_learns():
    objective = build(CPC, NarrowConv(), size=32, hidden=64)
    history = teach(objective, 50, size=32)
    assert history["loss"][-1] < history["loss"][0] - 1
    assert neighbours(objective.encoder, 32) > neighbours(NarrowConv(), 32) + 0.04
