"""Made-up words for the tests of objectives: tones in an order, by voices of other pitches."""

from __future__ import annotations

import numpy as np
import torch

from headstart.batch import Batch
from headstart.encoders.conv_tasnet import ConvTasNet, ConvTasNetOptions
from headstart.encoders.mel_conv import MelConv, MelConvOptions
from headstart.encoders.wavenet import WaveNet, WaveNetOptions
from headstart.modalities.audio.processor import AudioProcessor
from headstart.modalities.audio.reading import Reading
from headstart.modalities.audio.sound_file import padded

RATE, CLASSES = 8000, 6
PROCESSOR = AudioProcessor(Reading(RATE), 50)


def words(count: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Return recordings of words, and which word each is; the words are always the same."""
    tones = np.random.default_rng(7).uniform(300, 2500, (CLASSES, 3, 2))
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=count)
    found = []
    for label in labels:
        voice, length = np.exp(rng.uniform(-0.25, 0.25)), int(RATE * rng.uniform(0.25, 0.45))
        at = np.arange(length) / RATE
        which = np.minimum(at * 3 * RATE / length, 2.99).astype(int)
        samples = rng.normal(0, 0.3, length)
        for part in range(2):
            pitch = tones[label, which, part] * voice
            samples += np.sin(2 * np.pi * np.cumsum(pitch) / RATE + rng.uniform(0, 6))
        found.append((0.2 * np.exp(rng.uniform(-1, 0)) * samples).astype(np.float32))
    return found, labels


def network(**options) -> MelConv:
    """Return a small network with the same weights each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MelConv(MelConvOptions(widths=(32, 32, 32), cells=4, **options), RATE)


def separator(**options) -> ConvTasNet:
    """Return a small network that divides mixtures, with the same weights each time."""
    shape = {"filters": 24, "kernel": 16, "bottleneck": 12, "hidden": 24, "layers": 3, "repeats": 1}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ConvTasNet(ConvTasNetOptions(**{**shape, **options}), RATE)


def predictor(**options) -> WaveNet:
    """Return a small network that predicts samples, with the same weights each time."""
    shape = {"channels": 8, "width": 16, "kernel": 2, "layers": 3, "stacks": 1}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return WaveNet(WaveNetOptions(**{**shape, **options}), RATE)


def batch(found: list[np.ndarray], indices: np.ndarray) -> Batch:
    return padded([found[index] for index in indices])


def accuracy(encoder: MelConv) -> float:
    """Return how many words a probe knows that saw four of each, on average over three draws."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    encoder.eval()
    train, labels = words(240, 1)
    test, truth = words(240, 2)
    with torch.no_grad():
        rows, tested = (encoder.pool(padded(part)).numpy() for part in (train, test))
    scores = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(240)
        drawn = np.concatenate([order[labels[order] == c][:4] for c in range(CLASSES)])
        scaler = StandardScaler().fit(rows[drawn])
        probe = LogisticRegression(C=0.01, max_iter=300).fit(
            scaler.transform(rows[drawn]), labels[drawn]
        )
        scores.append(probe.score(scaler.transform(tested), truth))
    encoder.train()
    return float(np.mean(scores))
