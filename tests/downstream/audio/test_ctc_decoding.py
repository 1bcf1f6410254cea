"""CTC by hand: the loss, its gradient and the searches against all paths of a tiny case."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest
import torch
from tones import head

from headstart.downstream.audio.ctc_decoding import BLANK, END, align, greedy, prefix_beam
from headstart.downstream.audio.recognition import Frames, _distance

FRAMES, CLASSES = 5, 3


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(each for each, _ in groupby(path) if each != BLANK)


def logs_of(seed: int, frames: int = FRAMES, classes: int = CLASSES) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(frames, classes, generator=random, dtype=torch.float64).log_softmax(1)


def by_enumeration(logs: torch.Tensor, wanted: tuple[int, ...]) -> torch.Tensor:
    """Return the log-probability of a labelling: the sum over every path that collapses to it."""
    frames = range(len(logs))
    paths = product(range(logs.shape[1]), repeat=len(logs))
    kept = [path for path in paths if collapsed(path) == wanted]
    return torch.stack([logs[list(frames), list(path)].sum() for path in kept]).logsumexp(0)


@pytest.mark.parametrize("wanted", [(1,), (1, 2), (2, 2), (1, 2, 1)])
def test_the_loss_and_its_gradient_are_those_of_all_paths(wanted, monkeypatch) -> None:
    logits = torch.randn(FRAMES, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    task = head().train()
    monkeypatch.setattr(task.network, "forward", lambda vectors, mask: vectors.log_softmax(2))
    mask = torch.ones(1, FRAMES, dtype=torch.bool)
    loss = task(Frames(logits[None], mask), {"labels": torch.tensor([wanted])})["loss"]
    (found,) = torch.autograd.grad(loss, logits)
    naive = -by_enumeration(logits.log_softmax(1), wanted) / len(wanted)
    (expected,) = torch.autograd.grad(naive, logits)
    assert loss.item() == pytest.approx(naive.item(), rel=1e-5)
    assert torch.allclose(found, expected, atol=1e-5)


def test_padding_of_frames_and_labels_changes_no_loss() -> None:
    task = head().train()
    vectors = torch.randn(1, 9, 24, generator=torch.Generator().manual_seed(2))
    mask = torch.ones(1, 9, dtype=torch.bool)
    alone = task(Frames(vectors, mask), {"labels": torch.tensor([[1, 2]])})["loss"]
    longer = torch.cat([vectors, torch.full((1, 4, 24), 3.0)], 1)
    padded = torch.cat([mask, torch.zeros(1, 4, dtype=torch.bool)], 1)
    other = task(Frames(longer, padded), {"labels": torch.tensor([[1, 2, 0, 0]])})["loss"]
    assert alone.item() == pytest.approx(other.item(), rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_prefix_beam_finds_what_an_exhaustive_search_finds(seed) -> None:
    logs = logs_of(seed)

    def score(prefix: tuple[int, ...], following: int) -> float:
        return -0.3 * len(prefix) - (0.7 if following == 1 else 0.1 if following == END else 0.4)

    def language(labelling: tuple[int, ...]) -> float:
        ends = [*labelling, END]
        return sum(score(labelling[:at], each) for at, each in enumerate(ends))

    every = {collapsed(path) for path in product(range(CLASSES), repeat=FRAMES)}
    weight, bonus = 0.8, 0.25
    totals = {
        each: by_enumeration(logs, each).item() + weight * language(each) + bonus * len(each)
        for each in every
    }
    found = prefix_beam(logs.numpy(), 10_000, score, weight=weight, bonus=bonus, least=-np.inf)
    assert dict(found) == pytest.approx(totals)
    assert found[0][0] == max(totals, key=totals.__getitem__)


def test_a_narrow_beam_differs_from_greedy_where_paths_add_up() -> None:
    # The likeliest path is blank, blank; but more paths say symbol 1.
    logs = np.log(np.array([[0.6, 0.4], [0.6, 0.4]]))
    assert greedy(logs) == []
    assert prefix_beam(logs, 4)[0][0] == (1,)


def test_greedy_merges_repetitions_and_keeps_what_a_blank_divides() -> None:
    path = [0, 1, 1, 0, 1, 2, 2, 0]
    assert greedy(np.eye(3)[path]) == [1, 1, 2]


@pytest.mark.parametrize("wanted", [(1,), (1, 2), (1, 1)])
def test_an_alignment_is_the_likeliest_path_of_its_labelling(wanted) -> None:
    logs = logs_of(7).numpy()
    paths = [p for p in product(range(CLASSES), repeat=FRAMES) if collapsed(p) == wanted]
    best = max(paths, key=lambda path: logs[range(FRAMES), list(path)].sum())
    spans, at = [], 0
    for each, run in groupby(best):
        size = len(list(run))
        if each != BLANK:
            spans.append((at, at + size))
        at += size
    assert align(logs, wanted) == spans


def test_an_empty_text_has_no_times() -> None:
    assert align(logs_of(0).numpy(), []) == []


@pytest.mark.parametrize(
    ("one", "other", "errors"),
    [([], [], 0), ([1], [], 1), ([], [1, 2], 2), ([1, 2, 3], [2, 3, 3], 2), ([1, 2], [1, 3], 1)],
)
def test_the_distance_counts_the_fewest_edits(one, other, errors) -> None:
    assert _distance(one, other) == errors
