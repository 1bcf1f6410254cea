"""DINO: the loss by hand, what is kept, and what keeps it from collapse."""

from __future__ import annotations

import pytest
import torch
from digits import TinyConv, build, make_batch, score, teach
from torch import nn

from headstart.objectives.dino import DINO, DINOHead, dino_loss
from headstart.objectives.views import part
from headstart.seeding import generator


def naive_dino(student, teacher, centre, t_student, t_teacher):
    """Algorithm 1 of DINO, row by row, all pairs of different views."""
    losses = []
    for t, target in enumerate(teacher):
        for s, guess in enumerate(student):
            if s == t:
                continue
            for row in range(len(target)):
                wanted = torch.exp((target[row].detach() - centre) / t_teacher)
                wanted = wanted / wanted.sum()
                likely = torch.exp(guess[row] / t_student)
                losses.append(-(wanted * torch.log(likely / likely.sum())).sum())
    return torch.stack(losses).mean()


def test_loss_and_gradient_equal_the_definition_written_out():
    scores = torch.randn(6, 3, 5, generator=generator(0)).requires_grad_()
    student, teacher = list(scores[:4]), list(scores[4:])
    centre = torch.randn(5, generator=generator(1))
    ours = dino_loss(student, teacher, centre, 0.1, 0.07)
    theirs = naive_dino(student, teacher, centre, 0.1, 0.07)
    torch.testing.assert_close(ours, theirs)
    (mine,), (full,) = (torch.autograd.grad(loss, scores) for loss in (ours, theirs))
    torch.testing.assert_close(mine, full, rtol=1e-4, atol=1e-5)
    assert not mine[4:].any()


def test_a_view_is_never_compared_with_itself():
    student = [torch.zeros(1, 3, requires_grad=True) for _ in range(3)]
    teacher = [torch.randn(1, 3), torch.randn(1, 3)]
    first, _, small = (
        torch.autograd.grad(dino_loss(student, teacher, torch.zeros(3), 0.1, 0.07), view)[0]
        for view in student
    )
    alone = dino_loss(student[:2], teacher, torch.zeros(3), 0.1, 0.07)
    # The first view learns from the teacher's second alone, so the first target changes nothing.
    again = dino_loss(student[:2], [torch.randn(1, 3), teacher[1]], torch.zeros(3), 0.1, 0.07)
    torch.testing.assert_close(
        *(torch.autograd.grad(loss, student[0])[0] for loss in (alone, again))
    )
    assert first.any()
    assert small.any()


def test_the_objective_is_the_definition_on_its_own_networks():
    objective = build(DINO, local=2, prototypes=16, frozen=0.0).train()
    with torch.no_grad():
        for parameter in [*objective.encoder.parameters(), *objective.teacher_head.parameters()]:
            parameter.mul_(1.05)
        objective.centre.copy_(torch.randn(16, generator=generator(2)) / 10)
    centre = objective.centre.clone()
    corrupted = objective.corrupt(make_batch(8), generator(0))
    assert corrupted["local/pixels"].shape == (16, 3, 8, 8)
    ours = objective(corrupted)["loss"]
    large = [part(corrupted, name) for name in ("first", "second")]
    student = [objective.head(objective.student.pool(view)) for view in large]
    small = objective.head(objective.student.pool(part(corrupted, "local")))
    with torch.no_grad():
        teacher = [objective.teacher_head(objective.encoder.pool(view)) for view in large]
    theirs = naive_dino([*student, small[:8], small[8:]], teacher, centre, 0.1, 0.04)
    torch.testing.assert_close(ours, theirs)
    moving = [p for p in objective.parameters() if p.requires_grad]
    for a, b in zip(
        torch.autograd.grad(ours, moving), torch.autograd.grad(theirs, moving), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_scores_are_cosines_with_prototypes_of_any_length():
    head = DINOHead(6, 8, 4, 3, batch_norm=False)
    vectors = torch.randn(5, 6)
    before = head(vectors)
    assert before.abs().max() <= 1 + 1e-6
    with torch.no_grad():
        head.prototypes.mul_(7)
    torch.testing.assert_close(head(vectors), before)


def test_the_head_has_batch_norms_where_the_network_has():
    plain = TinyConv()
    plain.network = nn.Sequential(nn.Conv2d(3, 64, 3, 2, 1), nn.ReLU())
    for encoder, normed in ((TinyConv(), True), (plain, False)):
        head = build(DINO, encoder=encoder, prototypes=8).head
        assert any(isinstance(m, nn.BatchNorm1d) for m in head.modules()) == normed


def test_the_last_layer_stands_still_at_the_beginning():
    objective = build(DINO, local=0, prototypes=8, frozen=0.1).train()
    for progress, moves in ((0.05, False), (0.2, True)):
        objective.after_step(progress)
        objective.zero_grad()
        objective(objective.corrupt(make_batch(8), generator(0)))["loss"].backward()
        assert (objective.head.prototypes.grad is not None) == moves
        assert objective.head.layers[0].weight.grad.any()


def test_the_teacher_grows_surer_later():
    objective = build(DINO, prototypes=8, warm=0.5)
    temperatures = [objective._teacher_temperature(progress) for progress in (0.0, 0.25, 0.5, 1.0)]
    assert temperatures == pytest.approx([0.04, 0.055, 0.07, 0.07])


def test_the_centre_follows_the_mean_score_of_the_teacher_in_training_only():
    objective = build(DINO, local=0, prototypes=8)
    corrupted = objective.corrupt(make_batch(8), generator(0))
    objective.eval()(corrupted)
    assert not objective.centre.any()
    objective.train()
    with torch.no_grad():
        scores = [
            objective.teacher_head(objective.encoder.pool(part(corrupted, name)))
            for name in ("first", "second")
        ]
    objective(corrupted)
    torch.testing.assert_close(objective.centre, 0.1 * torch.cat(scores).mean(0))


def test_what_is_kept_is_the_teacher():
    encoder = TinyConv()
    objective = build(DINO, encoder=encoder, prototypes=8, momentum=0.5, memory=1e9)
    assert objective.encoder is encoder
    before = encoder.network[0].weight.clone()
    with torch.no_grad():
        objective.student.network[0].weight.add_(1.0)
    objective.train().after_step(0.5)
    torch.testing.assert_close(encoder.network[0].weight, before + 0.25)


def test_on_digits_it_beats_the_untrained_network():
    objective = build(DINO, local=0, prototypes=256)
    before = score(TinyConv())
    teach(objective, 150)
    after = score(objective.encoder)
    print(f"dino: {before:.3f} untrained, {after:.3f} pre-trained")
    assert after > before + 0.06
