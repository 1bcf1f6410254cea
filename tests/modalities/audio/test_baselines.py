"""The strong simple alternatives of recordings, each against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sounding import encoded, held, tone

from headstart.evaluation.heads import HEADS
from headstart.evaluation.heads.foreseen import foreseen
from headstart.modalities.audio import baselines, mel_patches
from headstart.modalities.audio.modality import AudioModality
from headstart.modalities.audio.warping import warped
from headstart.seeding import generator


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(mel_patches, "CENTROIDS", 16)


def takes(count: int, seed: int):
    """Return recordings of 3 glides, each at other speeds and loudness, and their classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    files = []
    for label in labels:
        base = tone(10 + int(label), 0.4)
        at = np.linspace(0, len(base) - 1, int(len(base) * rng.uniform(0.8, 1.2)))
        samples = np.interp(at, np.arange(len(base)), base) * rng.uniform(0.3, 1)
        files.append(encoded(samples + rng.normal(0, 0.02, len(at))))
    return held(*files), labels


def test_the_alternatives_know_sounds_and_every_record_has_its_row() -> None:
    (train, classes), (test, truth) = takes(24, 0), takes(15, 1)
    found = AudioModality().baselines(None, train, test, seed=0, progress=None)
    assert [one.name for one in found] == [
        *("MFCC, mean and deviation", "MFCC on time cells", "mel patches on time cells"),
        "DTW, nearest template",
    ]
    assert [one.joinable for one in found] == [False, True, False, False]
    for one in found:
        assert (len(one.train), len(one.test)) == (24, 15)
        head = HEADS[one.heads[0]](one.train).fit(one.train, classes, np.random.default_rng(0))
        assert (head.predict(one.test) == truth).mean() > 0.8, one.name


def test_among_many_recordings_none_are_warped(monkeypatch) -> None:
    monkeypatch.setattr(baselines, "PAIRS", 10)
    found = AudioModality().baselines(None, takes(6, 0)[0], None, seed=0, progress=None)
    assert "DTW, nearest template" not in [one.name for one in found]
    assert all(one.test is None for one in found)
    monkeypatch.undo()
    found = AudioModality().baselines(
        None, takes(6, 0)[0], None, protocol="regression", seed=0, progress=None
    )
    assert len(found) == 3


def test_what_every_head_costs_is_foreseen() -> None:
    features = np.zeros((20, 20), np.float32)
    for name in HEADS:
        assert foreseen({10: 1}, 3, features, [name]).seconds > 0


def naive(one: np.ndarray, other: np.ndarray) -> float:
    """Return the cost of the best alignment of (C,T) and (C,U), cell by cell."""
    rows, columns = one.shape[1], other.shape[1]
    cost = np.full((rows, columns), np.inf)
    for i in range(rows):
        for j in range(columns):
            own = float(np.linalg.norm(one[:, i] - other[:, j]))
            before = [2 * own] if i == j == 0 else []
            before += [cost[i - 1, j] + own] if i else []
            before += [cost[i, j - 1] + own] if j else []
            before += [cost[i - 1, j - 1] + 2 * own] if i and j else []
            cost[i, j] = min(before)
    return cost[-1, -1] / (rows + columns)


def test_warping_finds_the_best_alignment() -> None:
    draw = torch.randn(5, 3, 8, generator=generator(0))
    found = warped(draw[:2], draw)
    for i in range(2):
        for j in range(5):
            assert float(found[i, j]) == pytest.approx(
                naive(draw[i].numpy(), draw[j].numpy()), abs=2e-3
            )
    assert found.argmin(1).tolist() == [0, 1]


def test_a_slow_and_a_fast_recording_of_one_curve_are_near() -> None:
    at = torch.linspace(0, 1, 24)
    curve = torch.sin(6 * at)
    slow = torch.sin(6 * at**1.5)
    other = torch.cos(6 * at)
    found = warped(curve[None, None], torch.stack([slow, other])[:, None])[0]
    assert found[0] < 0.3 * found[1]


def test_the_nearest_template_is_by_distance_and_validated_on_the_others() -> None:
    place = np.array([0.0, 1.0, 10.0, 11.0, 0.5])
    distances = np.abs(place[:, None] - place)
    classes = np.array([0, 0, 1, 1])
    head = HEADS["nearest template"](distances)
    fitted = head.fit(distances[[0, 1, 2, 3]], classes, np.random.default_rng(0))
    assert fitted.validation == 1.0
    queries = np.abs(np.array([0.2, 9.0])[:, None] - place)
    assert fitted.predict(queries).tolist() == [0, 1]
    alone = head.fit(distances[[0, 2]], classes[[0, 2]], np.random.default_rng(0), np.array([0, 0]))
    assert np.isnan(alone.validation)
