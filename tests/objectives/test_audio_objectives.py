"""Objectives on recordings: each trains all its weights, and those in the table learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("soundfile", reason="the extra `audio` is not installed")

from lesson import teach, without_gradient
from spoken import PROCESSOR, accuracy, batch, network, words
from torch import Tensor

from headstart.objectives import OBJECTIVES

TWO_VIEWS = ("simclr", "moco", "byol", "simsiam", "barlow", "vicreg", "dino")
FRAMES = ("masked_mel", "denoised_mel", "wav2vec2", "hubert", "best_rq", "apc", "frame_cpc")
#: How much better a probe must be than on the untrained network, after how many steps.
LEARNS = {
    "simclr": (40, 0.1),
    "hubert": (60, 0.03),
    "wav2vec2": (60, 0.02),
    "apc": (60, 0.04),
    "denoised_mel": (60, 0.02),
}
#: Units that suit a few words.
FEW = {"hubert": {"clusters": 32}, "wav2vec2": {"codes": 32}, "apc": {}}


class Rows:
    """Made-up words, to which units are fitted."""

    def __init__(self, found: list[np.ndarray]) -> None:
        self.found = found

    def __len__(self) -> int:
        return len(self.found)

    def batch(self, indices: np.ndarray, epoch: int) -> dict[str, Tensor]:
        return batch(self.found, indices)


def build(name: str, **options):
    kind = OBJECTIVES[name]
    chosen = {**kind.default_options(240, 32), **options}
    return kind(network(), PROCESSOR, kind.Options(**chosen))


@pytest.mark.parametrize("name", [*TWO_VIEWS, *FRAMES])
def test_every_weight_that_learns_gets_a_gradient(name: str) -> None:
    objective = build(name)
    found = words(24, 0)[0]
    rows = batch(found, np.arange(24))
    history = teach(objective, lambda step: rows, 2, 1e-3, lambda step: 1.0)
    assert np.isfinite(history["loss"]).all()
    student = {name for name, p in objective.named_parameters() if p.requires_grad}
    assert not student & set(without_gradient(objective, rows))


@pytest.mark.parametrize("name", list(LEARNS))
def test_it_learns(name: str) -> None:
    steps, margin = LEARNS[name]
    torch.manual_seed(1)
    objective = build(name, **FEW.get(name, {}))
    before = accuracy(objective.encoder)
    found = words(480, 3)[0]
    objective.begin(Rows(found), 0)
    rng = np.random.default_rng(0)
    order = [rng.permutation(480)[:48] for _ in range(steps)]
    teach(objective, lambda step: batch(found, order[step]), steps, 3e-3, lambda s: 1 - s / steps)
    after = accuracy(objective.encoder)
    print(f"{name}: {before:.3f} untrained, {after:.3f} pre-trained")
    assert after > before + margin


def test_masked_blocks_are_drawn_better_than_by_their_mean() -> None:
    objective = build("masked_mel")
    found = words(240, 3)[0]
    order = [np.random.default_rng(step).permutation(240)[:48] for step in range(60)]
    history = teach(objective, lambda step: batch(found, order[step]), 60, 3e-3, lambda s: 1.0)
    assert np.mean(history["loss"][-10:]) < 0.8 < history["loss"][0]
