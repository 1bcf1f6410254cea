"""Rotation: the four turns, the loss by hand, and that it learns."""

from __future__ import annotations

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

from headstart.objectives.rotation import Rotation
from headstart.seeding import generator


def test_each_picture_is_shown_in_all_four_turns():
    objective = build(Rotation)
    batch = objective.corrupt({"pixels": images(16)[:5]}, generator(0))
    assert batch["pixels"].shape == (20, 3, 16, 16)
    for turn in range(4):
        for row in range(5):
            rotated = batch["pixels"][turn * 5 + row]
            assert int(batch["targets"][turn * 5 + row]) == turn
            upright = batch["pixels"][row]
            for index in ((0, 0), (2, 5), (15, 7)):
                i, j = index
                for _ in range(turn):  # a quarter turn to the left: (i, j) goes to (15 - j, i)
                    i, j = 15 - j, i
                assert torch.equal(rotated[:, i, j], upright[:, index[0], index[1]])


def test_corruption_is_a_function_of_the_generator_and_leaves_the_batch_alone():
    pure(build(Rotation))


def test_loss_and_gradients_equal_the_definition_written_out():
    objective = build(Rotation, NarrowConv(), hidden=8)
    batch = objective.corrupt({"pixels": images(16)[:3]}, generator(1))
    logits = objective.head(objective.encoder.pool(batch))
    terms = [
        torch.logsumexp(logits[row], 0) - logits[row, int(batch["targets"][row])]
        for row in range(12)
    ]
    same_gradients(objective(batch)["loss"], torch.stack(terms).mean(), objective, 10)


def test_the_report_shows_the_four_turns():
    objective = build(Rotation)
    batch = objective.corrupt({"pixels": images(16)[:5]}, generator(2))
    preview = objective.preview_images(batch)
    assert list(preview) == ["0 degrees", "90 degrees", "180 degrees", "270 degrees"]
    assert torch.equal(preview["180 degrees"], batch["pixels"][:5].flip(2, 3))


def test_every_parameter_moves():
    assert without_gradient(build(Rotation)) == []
    assert without_gradient(build(Rotation, hidden=0)) == []


def test_it_learns():
    objective = build(Rotation, NarrowConv(), hidden=128)
    history = teach(objective, 100)
    assert history["accuracy"][-1] > 0.6
    assert neighbours(objective.encoder) > neighbours(NarrowConv()) + 0.05
