"""Recordings in which each letter is a tone, with what they say."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile
import torch

from headstart.downstream.audio.recognition import Recognition
from headstart.encoders.mel_conv import MelConv, MelConvOptions
from headstart.modalities.audio.processor import AudioProcessor
from headstart.modalities.audio.reading import Reading

RATE = 8000
PITCHES = {"a": 500.0, "b": 1100.0, "c": 2100.0}
PROCESSOR = AudioProcessor(Reading(RATE), 50)


def said(text: str, rng: np.random.Generator) -> np.ndarray:
    """Return the samples of a text: a tone a letter, and silence for a space."""
    parts = []
    for letter in text:
        at = np.arange(int(RATE * rng.uniform(0.1, 0.16))) / RATE
        loud = 0.0 if letter == " " else 0.3
        tone = np.sin(2 * np.pi * PITCHES.get(letter, 0.0) * at) * loud * np.hanning(len(at))
        parts.append(tone + rng.normal(0, 0.003, len(at)))
    return np.concatenate(parts).astype(np.float32)


def texts(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    words = [
        ["".join(rng.choice(list("abc"), rng.integers(1, 3))) for _ in range(rng.integers(1, 3))]
        for _ in range(count)
    ]
    return [" ".join(each) for each in words]


def written(folder: Path, spoken: list[str], name: str = "table.csv", seed: int = 0) -> Path:
    """Write recordings and a table of their transcripts."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, text in enumerate(spoken):
        file = f"{name.partition('.')[0]}{number}.wav"
        soundfile.write(folder / file, said(text, rng), RATE)
        rows.append({"audio": file, "transcript": text})
    with open(folder / name, "w", newline="") as file:
        table = csv.DictWriter(file, ["audio", "transcript"])
        table.writeheader()
        table.writerows(rows)
    return folder / name


def network() -> MelConv:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MelConv(MelConvOptions(widths=(24, 24), cells=2), RATE)


def head(**options) -> Recognition:
    """Return a small head on :func:`network`, untrained."""
    shape = {"width": 24, "layers": 1, "dropout": 0.0, "hidden": 0.0}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Recognition(24, [" ", "a", "b", "c"], 160.0, shape, rate=RATE, **options)
    made.processor = PROCESSOR
    return made
