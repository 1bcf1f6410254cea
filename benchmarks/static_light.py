"""`light` distilled from a published encoder: how much of it is kept, and how much faster it is.

The teacher sees passages of the training texts, without labels; then logistic regression on the
frozen vectors of both, on the same labels and the test texts. Both sides turn the same texts into
vectors in turn, by the same function. ``--all`` adds the default pre-training, and both together.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from setting import announce, data, minilm

Shots = tuple[int | None, ...]
#: Labels a class (None: all), and draws of them.
SHOTS: dict[str, Shots] = {"banking77": (1, 5, 10, None), "imdb": (10, 50, 500, None)}
DRAWS = 3
#: Texts of IMDb, labeled for training and tested: enough for a point.
IMDB = (6000, 4000)
#: Turns of a second each in which texts are timed.
TURNS = 3


def read(name: str, part: str) -> tuple[list[str], np.ndarray]:
    """Return texts and labels of one part of a data set."""
    packed = data(name) / f"{part}.jsonl.gz"
    stored = gzip.decompress(packed.read_bytes()) if packed.exists() else None
    lines = stored or (data(name) / f"{part}.jsonl").read_bytes()
    rows = [json.loads(line) for line in lines.splitlines()]
    if name == "imdb":
        draw = np.random.default_rng(0).permutation(len(rows))
        rows = [rows[index] for index in draw[: IMDB[part == "test"]]]
    return [row["text"] for row in rows], np.array([row["label"] for row in rows])


def accuracies(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray, shots: Shots
) -> Iterator[float]:
    """Yield the accuracy in % at each number of labels a class, a mean over the draws."""
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

    middle = train.mean(0)
    size = np.sqrt(((train - middle) ** 2).sum(1).mean())
    train, test = (train - middle) / size, (test - middle) / size
    for count in shots:
        found = []
        for seed in range(DRAWS if count else 1):
            draw = np.random.default_rng(seed)
            chosen = np.concatenate(
                [
                    draw.permutation(np.flatnonzero(labels == each))[:count]
                    for each in sorted(set(labels))
                ]
            )
            probe: Any = LogisticRegressionCV(Cs=[1, 10, 100], cv=3, max_iter=300)
            if count is not None and count < 3:
                probe = LogisticRegression(C=100, max_iter=300)
            probe.fit(train[chosen], labels[chosen])
            found.append(100 * probe.score(test, truth))
        yield float(np.mean(found))


def main() -> None:
    """Distil, measure both sides in turn, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=list(SHOTS), default="banking77")
    parser.add_argument("--teacher", help="a folder; MiniLM by default")
    parser.add_argument("--budget", default="30min", help="most time for distilling")
    parser.add_argument("--all", action="store_true", help="with the default pre-training")
    options = parser.parse_args()
    announce(f"Static vectors of a larger encoder, {options.data}")
    from datasets import Dataset

    import headstart as hs
    from headstart.encoders.features import features
    from headstart.encoders.opening import OpenedEncoder

    teacher = options.teacher or str(minilm())
    texts, labels = read(options.data, "train")
    tested, truth = read(options.data, "test")
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "texts.jsonl")
        source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))

        def learned(name: str, **settings: Any) -> OpenedEncoder:
            run = hs.pretrain(str(source), out=str(Path(scratch, name)), tracker="none", **settings)
            print(f"{name}: {run.resolved.get('distilled') or run.resolved['steps']}")
            return OpenedEncoder(run.folder)

        sides = {"teacher": OpenedEncoder(teacher)}
        distil = {"embeddings": f"distill:{teacher}", "budget": options.budget}
        sides["distilled"] = learned("distilled", **distil)
        if options.all:
            sides["contrast"] = learned("contrast", budget="5min")
            sides["then contrast"] = learned(
                "then contrast", objective="contrast", **{**distil, "budget": "6epochs"}
            )

        def vectors(side: OpenedEncoder, some: list[str]) -> np.ndarray:
            records = Dataset.from_dict({"text": some})
            return features(side.encoder, side.processor, records, length=side.length)

        print(f"\n{'':16}{'texts/s':>10}  accuracy with {SHOTS[options.data]} labels a class")
        speeds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(TURNS):
            for name, side in sides.items():
                some = tested[: 64 if name == "teacher" else 2048]
                begun = time.perf_counter()
                vectors(side, some)
                speeds[name].append(len(some) / (time.perf_counter() - begun))
        found = {
            name: (vectors(side, texts), vectors(side, tested)) for name, side in sides.items()
        }
        if options.all:
            found["contrast | distilled"] = _beside(found["contrast"], found["distilled"])
        for name, (train, test) in found.items():
            speed = f"{max(speeds[name]):,.0f}" if name in speeds else ""
            scores = accuracies(train, labels, test, truth, SHOTS[options.data])
            print(f"{name:24}{speed:>10}  " + "  ".join(f"{score:5.1f}" for score in scores))


def _beside(*pairs: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors side by side, each with a mean squared length of 1."""
    scaled = []
    for train, test in pairs:
        middle = train.mean(0)
        size = np.sqrt(((train - middle) ** 2).sum(1).mean())
        scaled.append([(part - middle) / size for part in (train, test)])
    return np.hstack([one for one, _ in scaled]), np.hstack([two for _, two in scaled])


if __name__ == "__main__":
    main()
