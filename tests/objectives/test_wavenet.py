"""Causal modeling of mu-law samples: loss and gradient by hand, padding, and that it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

pytest.importorskip("soundfile", reason="the extra `audio` is not installed")

import spoken
from lesson import teach, without_gradient
from torch import Tensor

from headstart.evaluation.ngram_counts import Corpus
from headstart.evaluation.ngram_model import NgramModel
from headstart.modalities.mu_law import CODES, encode
from headstart.objectives.building import build_objective
from headstart.objectives.causal import CausalModeling
from headstart.seeding import generator


def build(**options) -> CausalModeling:
    made = build_objective({"clm": 1.0}, {}, spoken.predictor(**options), spoken.PROCESSOR)
    assert isinstance(made, CausalModeling)
    return made


def batch(*lengths: int) -> dict[str, Tensor]:
    found = [spoken.words(1, seed)[0][0][:length] for seed, length in enumerate(lengths)]
    return spoken.batch(found, np.arange(len(found)))


def by_hand(objective: CausalModeling, given: dict[str, Tensor]) -> Tensor:
    """Return the mean over all samples with one before them, each from its own prefix alone."""
    losses = []
    for row, length in zip(given["waveform"][:, 0], given["lengths"].tolist(), strict=True):
        codes = encode(row[:length])
        for time in range(1, length):
            prefix = {"waveform": row[None, None, :time], "lengths": torch.tensor([time])}
            scores = objective.head(objective.encoder(prefix).tokens[0, -1]).float()
            losses.append(torch.logsumexp(scores, 0) - scores[codes[time]])
    return torch.stack(losses).mean()


@pytest.mark.parametrize("bf16", [False, True])
def test_loss_and_gradient_are_the_definition_written_out_and_padding_never_counts(
    bf16: bool,
) -> None:
    objective, given = build(), batch(20, 13)
    given["waveform"][1, 0, 13:] = 0.7  # what lies behind the end is nothing
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        found = objective(objective.corrupt(given, generator(0)))["loss"]
        expected = by_hand(objective, given)
    close = {"rtol": 2e-2, "atol": 2e-2} if bf16 else {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(found, expected, **close)
    for name, weight in objective.named_parameters():
        one, other = (
            torch.autograd.grad(value, weight, retain_graph=True)[0] for value in (found, expected)
        )
        off = float((one - other).norm() / other.norm().clamp(min=1e-6))
        assert off < (0.1 if bf16 else 1e-3), name


def test_every_weight_gets_a_gradient() -> None:
    objective = build()
    assert without_gradient(objective, batch(300, 200)) == []


def tones(count: int, seed: int) -> list[np.ndarray]:
    """Return recordings of a tone each, which the sample before one hardly foretells."""
    rng, at = np.random.default_rng(seed), np.arange(300)
    pitches = rng.uniform(0.3, 1.2, (count, 1))
    found = 0.3 * np.sin(at * pitches + rng.uniform(0, 6, (count, 1)))
    return list((found + rng.normal(0, 0.002, found.shape)).astype(np.float32))


def bits(objective: CausalModeling, sounds: list[np.ndarray]) -> float:
    with torch.no_grad():
        given = objective.corrupt(spoken.batch(sounds, np.arange(len(sounds))), generator(0))
        return float(objective(given)["loss"]) / math.log(2)


def test_it_learns_more_than_what_follows_each_sample() -> None:
    objective, known, new = build(layers=2, kernel=4), tones(60, 1), tones(20, 2)
    before = bits(objective, new)

    def rows(step: int) -> dict[str, Tensor]:
        return spoken.batch(known, np.random.default_rng(step).integers(60, size=4))

    teach(objective, rows, 80, 5e-2, lambda step: min(1.0, (step + 1) / 10) * (1 - step / 80))
    counted, corpus = (
        Corpus.of([encode(torch.from_numpy(each)).numpy() for each in part])
        for part in (known, new)
    )
    nats = NgramModel(counted, CODES, 2).nats(corpus)[corpus.places > 0]
    order_1 = float(nats.mean()) / math.log(2)
    assert bits(objective, new) < min(before, order_1) - 0.1
