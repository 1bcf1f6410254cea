"""How long an evaluation takes once the features are there, and what choosing faster costs.

1. IMDb: 25,000 test texts, six numbers of labels up to all 25,000, five draws each, against every
   simple alternative. The first evaluation computes all features, the second finds them.
2. CIFAR-10: the logistic regression on 50,000 pictures (raw pixels in 256 components), with the
   penalty chosen by all labels, and by those that decide in headstart.
3. Made texts of 150 and of 1,500 classes, 15,000 labels: the whole command with its defaults.

    python benchmarks/evaluation_speed.py [--budget 30s] [--only imdb|cifar10|150|1500]
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image
from setting import announce, data

LABELS = ["10", "100", "250", "500", "1000", "all"]


def imdb(budget: str) -> None:
    """Print the seconds of an evaluation that computes its features, and of the next."""
    import headstart as hs

    with tempfile.TemporaryDirectory() as index:
        sources = [str(data("imdb", f"{part}.jsonl.gz")) for part in ("unsup", "train")]
        run = hs.pretrain(*sources, out=str(Path(index) / "run"), budget=budget, tracker="none")
        for what in ("features computed", "features kept"):
            start, busy = time.perf_counter(), time.process_time()
            report = run.evaluate(
                str(data("imdb", "train.jsonl.gz")),
                test=str(data("imdb", "test.jsonl.gz")),
                labels=LABELS,
                seeds=5,
            )
            wall, spent = time.perf_counter() - start, time.process_time() - busy
            print(f"IMDb, {what}: {wall:.0f} s ({spent:.0f} s of processor time)")
        print(report)


def cifar10() -> None:
    """Print seconds and accuracy with all labels, by how the penalty is chosen."""
    from sklearn.decomposition import PCA

    from headstart.evaluation.heads import folds
    from headstart.evaluation.heads.logistic import LogisticRegression

    with np.load(data("cifar10", "cifar10_jpeg.npz")) as archive:
        parts = {name: archive[name] for name in archive.files}
    classes = {part: parts[f"{part}_labels"].astype(np.int64) for part in ("train", "test")}
    rows = {part: pixels(parts[f"{part}_jpeg"], parts[f"{part}_offsets"]) for part in classes}
    some = np.random.default_rng(0).permutation(len(rows["train"]))[:10_000]
    pca = PCA(256, svd_solver="randomized", random_state=0).fit(rows["train"][some])
    train, test = (pca.transform(rows[part]).astype(np.float32) for part in ("train", "test"))
    for what, deciding in (("4,000 labels", 4000), ("all labels", 10**9)):
        folds.DECIDING = deciding
        start, busy = time.perf_counter(), time.process_time()
        head = LogisticRegression(train)
        found = head.fit(train, classes["train"], np.random.default_rng(0)).predict(test)
        wall, spent = time.perf_counter() - start, time.process_time() - busy
        accuracy = (found == classes["test"]).mean()
        print(
            f"CIFAR-10, penalty chosen by {what}: {wall:.0f} s ({spent:.0f} s of processor time), "
            f"accuracy {100 * accuracy:.2f}%"
        )


def many(classes: int) -> None:
    """Print the seconds and the memory of ``headstart evaluate`` on made texts of many classes."""
    import headstart as hs

    with tempfile.TemporaryDirectory() as scratch:
        files, count = {}, {"train": 15_000, "test": 3000}
        codes = np.concatenate([np.arange(number) % classes for number in count.values()])
        rows = [
            json.dumps({"text": text, "label": f"class {code}"})
            for text, code in zip(made(codes), codes, strict=True)
        ]
        for part, lines in (("train", rows[: count["train"]]), ("test", rows[count["train"] :])):
            files[part] = str(Path(scratch, f"{part}.jsonl"))
            Path(files[part]).write_text("\n".join(lines) + "\n", encoding="utf-8")
        run = str(Path(scratch, "run"))
        hs.pretrain(files["train"], out=run, budget="60steps", start="none", tracker="none")
        command = [sys.executable, "-m", "headstart", "evaluate", run, "--train", files["train"]]
        start = time.perf_counter()
        done = subprocess.run(
            [*command, "--test", files["test"]], check=True, capture_output=True, text=True
        )
        wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(done.stdout)
    print(
        f"{classes:,} classes: {wall:.0f} s ({used.ru_utime + used.ru_stime:.0f} s of processor "
        f"time), {used.ru_maxrss / 2**20:.1f} GiB at most"
    )


def made(classes: np.ndarray) -> list[str]:
    """Return texts (N,) of 13 words: four of the 40 words of their class, and others by Zipf."""
    random = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnoprstuvw"))
    words = ["".join(random.choice(letters, random.integers(3, 9))) for _ in range(20_000)]
    frequency = 1 / np.arange(10, 20_010)
    frequency /= frequency.sum()
    topics = random.integers(0, 20_000, (classes.max() + 1, 40))
    texts = []
    for label in classes:
        drawn = random.choice(20_000, 13, p=frequency)
        own = random.random(13) < 0.3
        drawn[own] = random.choice(topics[label], own.sum())
        texts.append(" ".join(words[word] for word in drawn))
    return texts


def pixels(jpeg: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return pictures that lie one after the other as rows (N,3072) of 0 to 1."""
    rows = np.empty((len(offsets) - 1, 3072), dtype=np.float32)
    for index, (start, end) in enumerate(pairwise(offsets)):
        with Image.open(io.BytesIO(jpeg[start:end].tobytes())) as image:
            rows[index] = np.asarray(image, dtype=np.float32).ravel() / 255
    return rows


def main() -> None:
    """Run all, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="30s")
    parser.add_argument("--only", choices=["imdb", "cifar10", "150", "1500"])
    options = parser.parse_args()
    announce("evaluation, once the features are there")
    tasks = {
        "imdb": lambda: imdb(options.budget),
        "cifar10": cifar10,
        "150": lambda: many(150),
        "1500": lambda: many(1500),
    }
    for name, task in tasks.items():
        if options.only in (None, name):
            task()


if __name__ == "__main__":
    main()
