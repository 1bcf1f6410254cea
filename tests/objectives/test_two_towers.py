"""CLIP, SigLIP and LiT are what their papers define, across processes and in chunks, too."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import paired
import pytest
import torch
import torch.distributed as distributed
from pair import in_two_processes
from torch import Tensor

from headstart.errors import HeadstartError
from headstart.objectives import OBJECTIVES, Objective
from headstart.objectives.pair_losses import pairwise_sigmoid, symmetric_nce
from headstart.objectives.two_towers import CLIP, LiT, SigLIP
from headstart.seeding import generator

FIRST, SECOND = torch.randn(2, 6, 5, generator=generator(0))
KEYS = torch.tensor([1, 2, 3, 2, 5, 6])
SCALE, BIAS = 7.0, -2.0


def unit(rows: Tensor) -> np.ndarray:
    found = rows.detach().double().numpy()
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def naive_clip(first: Tensor, second: Tensor, keys: Tensor) -> float:
    """Return the mean over both directions of ``-mean over right j of log p(j)``, by loops."""
    one, other = unit(first), unit(second)
    losses = []
    for left, right in ((one, other), (other, one)):
        for i in range(len(keys)):
            scores = np.array([SCALE * left[i] @ right[j] for j in range(len(keys))])
            log_p = scores - np.log(np.exp(scores).sum())
            losses.append(-np.mean([log_p[j] for j in range(len(keys)) if keys[j] == keys[i]]))
    return float(np.mean(losses))


def naive_siglip(first: Tensor, second: Tensor, keys: Tensor) -> float:
    one, other, total = unit(first), unit(second), 0.0
    for i in range(len(keys)):
        for j in range(len(keys)):
            sign = 1 if keys[i] == keys[j] else -1
            total += math.log1p(math.exp(-sign * (SCALE * one[i] @ other[j] + BIAS)))
    return total / len(keys)


def clip(first: Tensor, second: Tensor, keys: Tensor) -> Tensor:
    return symmetric_nce(first, second, torch.tensor(SCALE), keys)["loss"]


def siglip(first: Tensor, second: Tensor, keys: Tensor) -> Tensor:
    return pairwise_sigmoid(first, second, torch.tensor(SCALE), torch.tensor(BIAS), keys)["loss"]


@pytest.mark.parametrize(("loss", "naive"), [(clip, naive_clip), (siglip, naive_siglip)])
@pytest.mark.parametrize("keys", [KEYS, torch.arange(1, 7)])
def test_value_and_gradient_are_those_of_loops(loss, naive, keys) -> None:
    first, second = FIRST.clone().requires_grad_(), SECOND.clone()
    found = loss(first, second, keys)
    assert found.item() == pytest.approx(naive(first, second, keys), rel=1e-5)
    found.backward()
    step = 1e-3
    for row, column in ((0, 0), (3, 2)):
        moved = [FIRST.clone().double() for _ in range(2)]
        moved[0][row, column] += step
        moved[1][row, column] -= step
        slope = (naive(moved[0], second, keys) - naive(moved[1], second, keys)) / (2 * step)
        assert first.grad[row, column].item() == pytest.approx(slope, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("loss", [clip, siglip])
def test_losses_under_autocast_are_those_of_float32(loss) -> None:
    expected = loss(FIRST, SECOND, KEYS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(loss(FIRST, SECOND, KEYS), expected, rtol=1e-6, atol=1e-7)


def test_figures_count_equal_captions_as_right() -> None:
    found = symmetric_nce(FIRST, FIRST, torch.tensor(1.0), torch.ones(6, dtype=torch.int64))
    assert found["accuracy"] == found["accuracy_chance"] == 1
    assert found["positive_similarity"].item() == pytest.approx(1)
    tied = symmetric_nce(torch.ones(4, 2), torch.ones(4, 2), torch.tensor(1.0), torch.arange(4))
    assert tied["accuracy"].item() == pytest.approx(0.25)  # scores all alike are chance


def of_rows(rows: slice) -> Tensor:
    """Return both losses of some rows, and their gradients in what both sides share."""
    values = []
    for loss in (clip, siglip):
        shared = torch.ones((), requires_grad=True)
        value = loss(FIRST[rows] + shared * SECOND[rows] ** 2, SECOND[rows] + shared, KEYS[rows])
        value.backward()
        values += [value.detach(), shared.grad]
    return torch.stack(values)


def _one_of_two(rank: int, folder: str) -> None:
    values = of_rows(slice(3 * rank, 3 * rank + 3))
    distributed.all_reduce(values)
    torch.save(values / 2, f"{folder}/{rank}.pt")


def test_two_processes_compute_what_one_would(tmp_path: Path) -> None:
    in_two_processes(_one_of_two, tmp_path)
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert torch.equal(one, other)
    torch.testing.assert_close(one, of_rows(slice(0, 6)), rtol=1e-4, atol=1e-4)


# -- the objectives ----------------------------------------------------------------------------


def built(kind: type[CLIP], is_published: bool = False, **options) -> CLIP:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        towers = paired.towers(is_published=is_published)
        return kind(towers, paired.processor(), kind.Options(**options))


def step(objective: Objective, rows: int = 8) -> dict[str, Tensor]:
    found = objective(objective.corrupt(paired.batch(rows), generator(0)))
    found["loss"].backward()
    return found


@pytest.mark.parametrize("kind", [CLIP, SigLIP])
def test_everything_that_should_learn_has_a_gradient(kind) -> None:
    objective = built(kind)
    step(objective)
    without = [name for name, each in objective.named_parameters() if each.grad is None]
    assert without == []


def test_chunks_give_the_loss_and_the_gradient_of_the_whole_batch() -> None:
    """In evaluation mode: batch norms and running means depend on what is encoded at once."""
    whole, parted = built(CLIP, views="none").eval(), built(CLIP, views="none", chunk=3).eval()
    losses = [step(each)["loss"] for each in (whole, parted)]
    torch.testing.assert_close(*losses)
    for one, other in zip(whole.parameters(), parted.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_the_scale_begins_at_the_papers_value_and_stays_below_a_hundred() -> None:
    objective = built(CLIP)
    assert objective.scale.exp().item() == pytest.approx(1 / 0.07)
    with torch.no_grad():
        objective.scale.fill_(9.0)
    objective.after_step(0.5)
    assert objective.scale.exp().item() == pytest.approx(100)


def test_lit_leaves_the_second_tower_as_it_is_and_reads_each_caption_once() -> None:
    objective = built(LiT, is_published=True).train()
    frozen = objective.towers.second.encoder
    before = {name: value.clone() for name, value in frozen.state_dict().items()}

    class Rows:
        def __len__(self) -> int:
            return 8

    class Known(type(paired.processor())):  # type: ignore[misc]
        def written(self, rows):
            yield paired.batch()

    objective.processor = Known(paired.processor().towers)
    objective.begin(Rows(), 0)
    assert len(objective._known) == 8
    remembered = step(objective)["loss"]
    objective._known = {}
    torch.testing.assert_close(step(objective)["loss"], remembered)
    assert all(each.grad is None for each in frozen.parameters())
    assert not frozen.training
    for name, value in frozen.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_lit_refuses_a_tower_that_knows_nothing_in_one_sentence() -> None:
    with pytest.raises(HeadstartError, match=r"lit leaves the second tower \(captions\) as it is"):
        built(LiT)


def test_a_published_tower_learns_slowly() -> None:
    slow, fast = (built(CLIP, is_published=each).parameter_groups(1.0) for each in (True, False))
    assert [group["lr"] for group in slow] == [1.0, 0.02]
    assert [group["lr"] for group in fast] == [1.0]
    assert len(slow[1]["params"]) == len(list(paired.towers().second.encoder.parameters()))


def test_pictures_find_their_captions_after_some_steps() -> None:
    objective = built(CLIP, views="none").train()
    optimizer = torch.optim.Adam(objective.parameters(), lr=0.02)
    first = step(objective)["loss"].item()
    for _ in range(40):
        optimizer.zero_grad()
        found = step(objective)
        optimizer.step()
        objective.after_step(0.5)
    assert found["accuracy"] > 0.8
    assert found["loss"].item() < first / 4


def test_the_same_caption_everywhere_is_warned_of(tmp_path: Path) -> None:
    objective = built(SigLIP)
    assert objective.warning(paired.batch()) is None
    alike = {**paired.batch(), "keys": torch.ones(8, dtype=torch.int64)}
    assert "only 1 have captions that differ" in str(objective.warning(alike))
    assert objective.save_head(tmp_path)
    about = json.loads((tmp_path / "head.json").read_text())
    assert about["objective"] == "siglip"
    assert about["objective"] in OBJECTIVES
    assert about["scale"] == pytest.approx(10)
