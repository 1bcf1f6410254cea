"""Two processes compute what one would: what crosses samples crosses processes too."""

from __future__ import annotations

import torch
import torch.distributed as distributed
from digits import build, make_batch
from pair import in_two_processes

from headstart.objectives.dino import DINO
from headstart.objectives.queue import KeyQueue
from headstart.objectives.redundancy import barlow_twins, vicreg
from headstart.seeding import generator


def numbered(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count).float()[:, None].expand(-1, 2)


def losses(rows: slice) -> torch.Tensor:
    """Return both losses of some rows, and their gradients in a parameter that the views share."""
    first, second = torch.randn(2, 6, 5, generator=generator(0))
    values = []
    for loss, weights in ((barlow_twins, (0.0051,)), (vicreg, (25.0, 25.0, 1.0))):
        scale = torch.ones((), requires_grad=True)
        value = loss(first[rows] * scale, second[rows] + scale * first[rows] ** 2, *weights)["loss"]
        value.backward()
        values += [value.detach(), scale.grad]
    return torch.stack(values)


def centre(rows: slice) -> torch.Tensor:
    """Return DINO's centre after a step on some rows; batch norms are frozen."""
    objective = build(DINO, local=0, prototypes=8)
    corrupted = objective.corrupt(make_batch(6), generator(0))
    objective.eval().training = True
    objective({key: tensor[rows] for key, tensor in corrupted.items()})
    return objective.centre


def _one_of_two(rank: int, folder: str) -> None:
    mine = slice(3 * rank, 3 * rank + 3)
    values = losses(mine)
    # What DistributedDataParallel does: the mean of loss and gradients over processes.
    distributed.all_reduce(values)
    queue = KeyQueue(6, 2)
    queue.push(numbered(10 * rank, 2))
    queue.push(numbered(10 * rank + 5, 2))
    torch.save([values / 2, queue.negatives(), centre(mine)], f"{folder}/{rank}.pt")


def test_losses_queue_and_centre_are_those_of_the_whole_batch(tmp_path):
    in_two_processes(_one_of_two, tmp_path)
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    every = slice(0, 6)
    torch.testing.assert_close(one[0], losses(every), rtol=1e-4, atol=1e-4)
    assert sorted(one[1][:, 0].tolist()) == [5, 6, 10, 11, 15, 16]
    assert torch.equal(one[1], other[1])
    torch.testing.assert_close(one[2], centre(every))
    assert torch.equal(one[2], other[2])
