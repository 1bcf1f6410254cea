"""MoCo: the queue, the loss by hand, and keys that are made without gradient or company."""

from __future__ import annotations

import pytest
import torch
from digits import TinyConv, build, make_batch, score, teach
from torch.nn import functional as F

from headstart.objectives.losses import queue_nce
from headstart.objectives.moco import MoCo
from headstart.objectives.queue import KeyQueue
from headstart.objectives.views import part
from headstart.seeding import generator


def naive_queue_nce(queries, keys, negatives, temperature):
    """Equation 1 of MoCo, one query at a time."""
    total = torch.zeros(())
    for query, key in zip(queries, keys, strict=True):
        query, key = query / query.norm(), key / key.norm()
        positive = torch.exp(query @ key / temperature)
        rest = sum(torch.exp(query @ negative / temperature) for negative in negatives)
        total = total - torch.log(positive / (positive + rest))
    return total / len(queries)


def test_loss_and_gradient_equal_the_definition_written_out():
    draw = torch.randn(2, 4, 5, generator=generator(0))
    queries, keys = draw[0].requires_grad_(), draw[1]
    negatives = F.normalize(torch.randn(7, 5, generator=generator(1)), dim=1)
    ours = queue_nce(queries, keys, negatives, 0.2)["loss"]
    theirs = naive_queue_nce(queries, keys, negatives, 0.2)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(
        *(torch.autograd.grad(loss, queries)[0] for loss in (ours, theirs)), rtol=1e-4, atol=1e-6
    )


def numbered(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count).float()[:, None].expand(-1, 2)


def test_a_queue_holds_the_newest_keys_whatever_the_batch():
    queue = KeyQueue(5, 2)
    assert len(queue.negatives()) == 0
    for first in (0, 3, 6):
        queue.push(numbered(first, 3))
    assert sorted(queue.negatives()[:, 0].tolist()) == [4, 5, 6, 7, 8]
    queue.push(numbered(10, 8))
    assert sorted(queue.negatives()[:, 0].tolist()) == [13, 14, 15, 16, 17]


def test_what_a_queue_gave_out_does_not_change_under_a_waiting_backward():
    queue = KeyQueue(4, 2)
    queue.push(numbered(1, 4))
    query = torch.ones(1, 2, requires_grad=True)
    scores = query @ queue.negatives().T
    queue.push(numbered(7, 4))
    scores.sum().backward()
    assert query.grad.tolist() == [[10.0, 10.0]]


def test_the_queue_is_filled_in_training_only_and_with_the_keys_of_the_batch():
    objective, batch = build(MoCo, queue=64), make_batch(16)
    corrupted = objective.corrupt(batch, generator(0))
    objective.eval()
    objective(corrupted)
    assert objective.queue.pushed.item() == 0
    objective.train()
    keys = objective._keys(part(corrupted, "second"), corrupted["order"])
    objective(corrupted)
    torch.testing.assert_close(objective.queue.negatives(), keys)
    torch.testing.assert_close(keys.norm(dim=1), torch.ones(16))


def test_keys_are_made_in_shuffled_groups_and_put_back_in_order():
    objective, batch = build(MoCo, queue=64, groups=2), make_batch(16)
    corrupted = objective.corrupt(batch, generator(0))
    objective.train()
    view, order = part(corrupted, "second"), corrupted["order"]
    keys = objective._keys(view, order)
    half = objective.key_encoder.pool({"pixels": view["pixels"][order[:8]]})
    wanted = F.normalize(objective.key_projection(half), dim=1)
    torch.testing.assert_close(keys[order[:8]], wanted)
    whole = F.normalize(objective.key_projection(objective.key_encoder.pool(view)), dim=1)
    assert not torch.allclose(keys, whole, atol=1e-4)


def test_with_a_queue_the_momentum_stays_and_without_it_rises():
    queued, free = build(MoCo, queue=8), build(MoCo, queue=0)
    assert (queued.schedule.momentum, queued.schedule.rising) == (0.999, False)
    assert (free.schedule.momentum, free.schedule.rising) == (0.99, True)
    assert not hasattr(free, "queue")
    assert not hasattr(queued, "predictor")


def test_after_a_step_the_keys_follow():
    objective = build(MoCo, queue=8, momentum=0.75, memory=1e9)
    with torch.no_grad():
        for parameter in objective.encoder.parameters():
            parameter.add_(1.0)
    before = objective.key_encoder.network[0].weight.clone()
    objective.train().after_step(0.5)
    torch.testing.assert_close(objective.key_encoder.network[0].weight, before + 0.25)


@pytest.mark.parametrize("queue", [512, 0])
def test_on_digits_it_beats_the_untrained_network(queue):
    objective = build(MoCo, queue=queue)
    before = score(TinyConv())
    teach(objective, 240)
    after = score(objective.encoder)
    print(f"moco, queue {queue}: {before:.3f} untrained, {after:.3f} pre-trained")
    assert after > before + 0.08
