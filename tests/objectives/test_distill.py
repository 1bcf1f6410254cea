"""Distillation: the losses by hand, and a teacher that teaches without being in the way."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from digits import TinyConv, build, make_batch, score, teach
from torch import nn

from headstart.encoders.opening import create_encoder, save_encoder
from headstart.errors import HeadstartError
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.objectives import distill
from headstart.objectives.building import build_objective
from headstart.objectives.contrastive import SimCLR
from headstart.objectives.distill import Distill
from headstart.seeding import generator

TEXTS = ["the quick brown fox jumps", "over the lazy dog", "pack my box with jugs"]


@pytest.fixture
def wise(monkeypatch):
    """Let every folder hold the same convolutional teacher, wider than the student."""
    teacher = TinyConv(seed=5)
    teacher.network.extend([nn.Conv2d(64, 96, 1), nn.ReLU()])
    teacher.width = 96
    monkeypatch.setattr(distill, "open_encoder", lambda folder: copy.deepcopy(teacher))
    monkeypatch.setattr(distill, "read_note", lambda folder: {"modality": "image", "length": 16})
    return teacher


@pytest.fixture
def teacher_folder(text_processor, tmp_path):
    encoder = create_encoder("light", {"width": 24}, text_processor, length=32, seed=3)
    save_encoder(encoder, text_processor, tmp_path / "t", {"modality": "text", "length": 32})
    return tmp_path / "t"


def naive(guesses, wanted, kind):
    total = torch.zeros(())
    for guess, target in zip(guesses, wanted, strict=True):
        if kind == "cosine":
            total = total + 1 - guess @ target / (guess.norm() * target.norm())
        else:
            target = (target - target.mean()) / (target.var(correction=0) + 1e-5).sqrt()
            total = total + ((guess - target) ** 2).mean()
    return total / len(guesses)


@pytest.mark.parametrize("kind", ["cosine", "mse"])
def test_loss_and_gradients_equal_the_definition_written_out(kind, wise):
    objective = build(Distill, teacher="anywhere", loss=kind).train()
    corrupted = objective.corrupt(make_batch(6), generator(0))
    ours = objective(corrupted)["loss"]
    guesses = objective.head(objective.encoder.pool(corrupted))
    theirs = naive(guesses, wise.eval().pool(corrupted).detach(), kind)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    parameters = list(objective.parameters())
    for a, b in zip(
        torch.autograd.grad(ours, parameters), torch.autograd.grad(theirs, parameters), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_a_copy_is_measured_by_the_spread_of_the_teachers_vectors(monkeypatch):
    teacher = TinyConv(seed=5)
    monkeypatch.setattr(distill, "open_encoder", lambda folder: copy.deepcopy(teacher))
    monkeypatch.setattr(distill, "read_note", lambda folder: {"modality": "image", "length": 16})
    objective = build(Distill, teacher="anywhere", loss="copy").train()
    assert list(objective.head.parameters()) == []
    corrupted = objective.corrupt(make_batch(6), generator(0))
    wanted = teacher.eval().pool(corrupted).detach()
    guesses = objective.encoder.pool(corrupted)
    theirs = ((guesses - wanted) ** 2).mean() / ((wanted - wanted.mean(0)) ** 2).mean()
    torch.testing.assert_close(objective(corrupted)["loss"], theirs, rtol=1e-4, atol=1e-5)
    objective.encoder.load_state_dict(teacher.state_dict())
    assert objective.eval()(corrupted)["loss"] < 1e-6


def test_a_copy_is_as_wide_as_its_teacher(wise):
    with pytest.raises(HeadstartError, match="loss=copy needs a student as wide as its teacher"):
        build(Distill, teacher="anywhere", loss="copy")


def test_every_parameter_moves_and_the_teacher_is_none_of_them(wise):
    objective = build(Distill, teacher="anywhere").train()
    objective(objective.corrupt(make_batch(6), generator(0)))["loss"].backward()
    assert [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.any()] == []
    teacher = objective._teacher[0]
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not teacher.training
    assert {name.split(".")[0] for name in objective.state_dict()} == {"encoder", "head"}


def test_going_on_from_a_checkpoint_reopens_the_teacher(teacher_folder, text_processor):
    def student():
        encoder = create_encoder("light", {"width": 8}, text_processor, length=32, seed=0)
        options = {"distill": {"teacher": str(teacher_folder)}}
        return build_objective({"distill": 1.0}, options, encoder, text_processor).train()

    batch = text_processor.collate_texts(TEXTS, 32)
    first, again = student(), student()
    assert not torch.equal(first.head.weight, again.head.weight)
    again.load_state_dict(first.state_dict())
    assert torch.equal(*(o(o.corrupt(batch, generator(0)))["loss"] for o in (first, again)))


def test_a_teacher_with_another_vocabulary_is_refused(teacher_folder):
    other = TextProcessor(fit_tokenizer(TEXTS * 4, kind="word", vocab_size=30, lowercase=True))
    encoder = create_encoder("light", {"width": 8}, other, length=32, seed=0)
    with pytest.raises(HeadstartError, match=r"another vocabulary.*embeddings="):
        build_objective(
            {"distill": 1.0}, {"distill": {"teacher": str(teacher_folder)}}, encoder, other
        )


def test_a_teacher_of_texts_is_refused_for_pictures(teacher_folder):
    with pytest.raises(HeadstartError, match="another kind of data"):
        build(Distill, teacher=str(teacher_folder))


def test_a_run_without_a_teacher_is_refused_by_name(text_processor):
    encoder = create_encoder("light", {"width": 8}, text_processor, length=32, seed=0)
    with pytest.raises(HeadstartError, match=r"distill\.teacher"):
        build_objective({"distill": 1.0}, {}, encoder, text_processor)


def test_a_teacher_of_larger_pictures_sees_them_larger(monkeypatch):
    seen = []

    class Teacher(TinyConv):
        def pool(self, batch):
            seen.append(batch["pixels"].shape[-1])
            return super().pool(batch)

    monkeypatch.setattr(distill, "open_encoder", lambda folder: Teacher())
    monkeypatch.setattr(distill, "read_note", lambda folder: {"modality": "image", "length": 32})
    objective = build(Distill, teacher="anywhere")
    objective(objective.corrupt(make_batch(4), generator(0)))
    assert seen == [32]


def test_on_digits_a_student_learns_from_a_trained_teacher(monkeypatch):
    taught = build(SimCLR)
    teach(taught, 60)
    monkeypatch.setattr(distill, "open_encoder", lambda folder: copy.deepcopy(taught.encoder))
    monkeypatch.setattr(distill, "read_note", lambda folder: {"modality": "image", "length": 16})
    objective = build(Distill, teacher="anywhere", encoder=TinyConv(seed=1))
    before = score(TinyConv(seed=1))
    teach(objective, 60)
    after = score(objective.encoder)
    print(f"distill: {before:.3f} untrained, {after:.3f}; teacher {score(taught.encoder):.3f}")
    assert np.isfinite(after)
    assert after > before + 0.06
