"""The step of FixMatch, UDA and the mean teacher: what it sums up, and where no gradient goes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from headstart.config import FinetuneConfig, SemiOptions
from headstart.downstream.classification import Classification
from headstart.downstream.finetuning import Finetuning
from headstart.downstream.semi_supervised.consistency import Consistency, scores
from headstart.downstream.semi_supervised.losses import (
    fixmatch_loss,
    mean_teacher_loss,
    ramp,
    uda_loss,
)
from headstart.modalities.image.processor import ImageProcessor
from headstart.objectives.views import part
from headstart.seeding import generator

METHODS = ["fixmatch", "uda", "mean-teacher"]


def objective(encoder, records, processor, method: str, **options) -> Consistency:
    config = FinetuneConfig(run="run", train="train", out="out", dropout=0.0)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        head = Classification.from_records(encoder.width, records, config)
        torch.nn.init.normal_(head.linear.weight)
    tuned = Finetuning(encoder, head, freeze="none", layer_decay=1.0)
    return Consistency(tuned, processor, method, SemiOptions(threshold=0.4, **options)).train()


def batch_of(processor, records, head) -> dict[str, Tensor]:
    labeled, others = records({"fruit": 2, "tool": 2}), records({"fruit": 3, "tool": 3}, seed=5)
    found = processor.collate(labeled, 16)
    other = {f"unlabeled/{k}": v for k, v in processor.collate(others, 16).items()}
    return {**found, "labels": head.targets(labeled), **other}


@pytest.mark.parametrize("method", METHODS)
def test_a_step_is_the_labeled_and_the_unlabeled_loss_with_a_constant_for_the_guess(
    method, light, processor, records
):
    light.centre.requires_grad_(False)
    ours = objective(light, records({"fruit": 2, "tool": 2}), processor, method, weight=3.0)
    with torch.no_grad():  # so that the teacher is not the learner
        ours.average.head.linear.weight.mul_(1.5)
    ours.schedule.progress.fill_(0.1)
    batch = ours.corrupt(batch_of(processor, records, ours.head), generator(0))
    naive = copy.deepcopy(ours)

    def logits(tuned, name: str) -> Tensor:
        view = part(batch, name) if name else {k: v for k, v in batch.items() if "/" not in k}
        return scores(tuned, view)

    for module in (ours, naive):  # the running centre of the light encoder depends on the rows
        module.tuned.eval()
    found = ours(batch)
    found["loss"].backward()
    with torch.no_grad():
        guess = logits(naive.average if method == "mean-teacher" else naive.tuned, "weak")
    strong = logits(naive.tuned, "strong")
    wanted = {
        "fixmatch": lambda: 3 * fixmatch_loss(guess, strong, 0.4)[0],
        "uda": lambda: 3 * uda_loss(guess, strong, 0.4, 0.4)[0],
        "mean-teacher": lambda: 3 * ramp(0.1, 0.2) * mean_teacher_loss(guess, strong),
    }[method]() + cross_entropy(logits(naive.tuned, ""), batch["labels"])
    wanted.backward()
    assert found["loss"].item() == pytest.approx(wanted.item(), rel=1e-5)
    for (name, mine), theirs in zip(
        ours.tuned.named_parameters(), naive.tuned.parameters(), strict=True
    ):
        assert mine.grad is not None, name
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-6, msg=name)
    assert all(parameter.grad is None for parameter in ours.average.parameters())


def test_texts_are_edited_in_the_strong_view_alone(light, processor, records):
    ours = objective(light, records({"fruit": 2, "tool": 2}), processor, "fixmatch")
    batch = batch_of(processor, records, ours.head)
    seen = ours.corrupt(batch, generator(0))
    assert torch.equal(seen["input_ids"], batch["input_ids"])
    assert torch.equal(seen["weak/input_ids"], batch["unlabeled/input_ids"])
    assert not torch.equal(seen["strong/input_ids"], batch["unlabeled/input_ids"])
    again = ours.corrupt(batch, generator(0))
    assert all(torch.equal(seen[name], again[name]) for name in seen)
    same = objective(light, records({"fruit": 2, "tool": 2}), processor, "mean-teacher")
    assert not torch.equal(
        same.corrupt(batch, generator(0))["weak/input_ids"], batch["unlabeled/input_ids"]
    )


def test_pictures_are_shifted_in_weak_views_and_recoloured_in_strong_ones(light, records):
    ours = objective(light, records({"fruit": 2, "tool": 2}), ImageProcessor(8), "fixmatch")
    colours = torch.randint(0, 256, (6, 3, 1, 1), dtype=torch.uint8)
    flat = colours.expand(6, 3, 8, 8)  # what is of one colour is the same, wherever it moves
    batch = {"pixels": flat[:2], "labels": torch.tensor([0, 1]), "unlabeled/pixels": flat[2:]}
    seen = ours.corrupt(batch, generator(0))
    torch.testing.assert_close(seen["pixels"], flat[:2] / 255)
    torch.testing.assert_close(seen["weak/pixels"], flat[2:] / 255)
    assert not torch.allclose(seen["strong/pixels"], flat[2:] / 255, atol=0.02)


def test_the_average_follows_is_judged_and_is_kept(light, processor, records):
    ours = objective(light, records({"fruit": 2, "tool": 2}), processor, "fixmatch", momentum=0.75)
    weight = ours.average.head.linear.weight
    before, target = weight.clone(), ours.head.linear.weight
    moved = torch.tensor([[1.0], [0.0]])
    with torch.no_grad():
        target.add_(moved)
    ours.after_step(0.001)
    torch.testing.assert_close(weight, before + 0.25 * moved)
    labeled = {
        k: v for k, v in batch_of(processor, records, ours.head).items() if k[:9] != "unlabeled"
    }
    ours.eval()
    assert torch.equal(ours.corrupt(labeled, generator(0))["input_ids"], labeled["input_ids"])
    assert ours(labeled)["loss"].item() == ours.average(labeled)["loss"].item()
    assert ours(labeled)["loss"].item() != ours.tuned(labeled)["loss"].item()
    averaged = ours.averaged()
    torch.testing.assert_close(averaged.head.linear.weight, before + 0.25 * moved)


def test_the_average_stays_in_evaluation_mode(light, processor, records):
    ours = objective(light, records({"fruit": 2, "tool": 2}), processor, "mean-teacher")
    assert ours.train().tuned.encoder.training
    assert not any(module.training for module in ours.average.modules())
