"""How long an evaluation takes once the features are there, and what choosing faster costs.

1. IMDb: 25,000 test texts, six numbers of labels up to all 25,000, five draws each, against every
   simple alternative. The first evaluation computes all features, the second finds them.
2. CIFAR-10: the logistic regression on 50,000 pictures (raw pixels in 256 components), with the
   penalty chosen by all labels, and by those that decide in headstart.

    python benchmarks/evaluation_speed.py [--budget 30s] [--only imdb|cifar10]
"""

from __future__ import annotations

import argparse
import io
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


def pixels(jpeg: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return pictures that lie one after the other as rows (N,3072) of 0 to 1."""
    rows = np.empty((len(offsets) - 1, 3072), dtype=np.float32)
    for index, (start, end) in enumerate(pairwise(offsets)):
        with Image.open(io.BytesIO(jpeg[start:end].tobytes())) as image:
            rows[index] = np.asarray(image, dtype=np.float32).ravel() / 255
    return rows


def main() -> None:
    """Run both, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="30s")
    parser.add_argument("--only", choices=["imdb", "cifar10"])
    options = parser.parse_args()
    announce("evaluation, once the features are there")
    if options.only != "cifar10":
        imdb(options.budget)
    if options.only != "imdb":
        cifar10()


if __name__ == "__main__":
    main()
