"""Recordings made from the Free Spoken Digit Dataset and the prompts, for other benchmarks."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import soundfile
from setting import data

RATE = 8000
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def clips(split: str) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Return the digit and the samples of each clip of the official split, by speaker."""
    root = data("fsdd")
    found: dict[str, list[tuple[str, np.ndarray]]] = {}
    with open(root / "meta.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == split:
                samples, rate = soundfile.read(root / row["file"], dtype="float32")
                assert rate == RATE
                found.setdefault(row["speaker"], []).append((row["label"], samples))
    return found


def strings(folder: Path, split: str, count: int, seed: int) -> Path:
    """Write strings of two to five digits of one speaker each, and return their table.

    Between two digits there are 20 to 150 ms of faint noise. Transcripts are figures, such as 579.
    """
    rng, spoken = np.random.default_rng(seed), clips(split)
    speakers = sorted(spoken)
    name = f"{split}{seed}"
    (folder / name).mkdir(parents=True)
    rows = []
    for number in range(count):
        mine = spoken[speakers[number % len(speakers)]]
        drawn = [mine[index] for index in rng.integers(len(mine), size=rng.integers(2, 6))]
        parts = []
        for _, samples in drawn:
            gap = rng.normal(0, 1e-4, int(RATE * rng.uniform(0.02, 0.15)))
            parts += [samples, gap.astype(np.float32)]
        file = f"{name}/{number:05}.flac"
        soundfile.write(folder / file, np.concatenate(parts), RATE)
        rows.append({"audio": file, "transcript": "".join(digit for digit, _ in drawn)})
    with open(folder / f"{name}.csv", "w", newline="") as table:
        writer = csv.DictWriter(table, ["audio", "transcript"])
        writer.writeheader()
        writer.writerows(rows)
    return folder / f"{name}.csv"


def prompts(folder: Path) -> tuple[Path, Path, Path]:
    """Write tables of the telephone prompts: training, validation (40 of it), test.

    Figures are spelled out, and what occurs in the training is left out of the test.
    """
    from headstart.downstream.audio.alphabet import folded

    root = data("asterisk_prompts_en")
    shutil.copytree(root / "audio", folder / "audio")  # a link would leave the table's folder
    lines = (root / "meta.jsonl").read_text().splitlines()
    rows = [{**row, "text": _spelled(row["text"])} for row in map(json.loads, lines)]
    train = [row for row in rows if row["split"] == "train"]
    known = {folded(row["text"]) for row in train}
    test = [row for row in rows if row["split"] == "test" and folded(row["text"]) not in known]
    order = np.random.default_rng(0).permutation(len(train))
    parts = {
        "train": [train[index] for index in order[40:]],
        "val": [train[index] for index in order[:40]],
        "test": test,
    }
    tables = []
    for name, part in parts.items():
        path = folder / f"prompts_{name}.jsonl"
        made = ({"audio": row["file"], "transcript": row["text"]} for row in part)
        path.write_text("".join(json.dumps(row) + "\n" for row in made))
        tables.append(path)
    return tables[0], tables[1], tables[2]


def mixtures(split: str, count: int, seed: int) -> list[np.ndarray]:
    """Return pairs of sources (2,S) of different speakers, whose sum is a mixture.

    Both have the same power within 2.5 dB; the shorter one begins at a random moment within the
    longer. No sum is beyond full.
    """
    rng, spoken = np.random.default_rng(seed), clips(split)
    speakers = sorted(spoken)
    found = []
    for _ in range(count):
        pair = rng.choice(len(speakers), 2, replace=False)
        drawn = [spoken[speakers[index]] for index in pair]
        parts = [mine[rng.integers(len(mine))][1] for mine in drawn]
        longest = max(map(len, parts))
        sources = np.zeros((2, longest), dtype=np.float32)
        for row, part in zip(sources, parts, strict=True):
            start = rng.integers(longest - len(part) + 1)
            level = 0.1 * 10 ** (rng.uniform(-2.5, 2.5) / 20)
            row[start : start + len(part)] = part * level / np.sqrt(np.square(part).mean())
        loudest = np.abs(sources.sum(0)).max()
        found.append(sources / max(1.0, loudest))
    return found


def _spelled(text: str) -> str:
    return re.sub(r"\d", lambda digit: f" {WORDS[int(digit[0])]} ", text)
