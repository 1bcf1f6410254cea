"""How long an evaluation takes once the features are there, and what choosing faster costs.

1. IMDb: 25,000 test texts, six numbers of labels up to all 25,000, five draws each, against every
   simple alternative. The first evaluation computes all features, the second finds them.
2. CIFAR-10: the logistic regression on 50,000 pictures (raw pixels in 256 components), with the
   penalty chosen by all labels, and by those that decide in headstart.
3. Made texts of 150 and of 1,500 classes, 15,000 labels: TF-IDF and four dense features of each
   record, with the default numbers of labels, five draws and default heads.

    python benchmarks/evaluation_speed.py [--budget 30s] [--only imdb|cifar10|150|1500]
"""

from __future__ import annotations

import argparse
import io
import resource
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image
from setting import announce, data

from headstart.data.vectors import Matrix

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
    """Print the seconds and the memory of measuring features of made texts of many classes."""
    from datasets import Dataset

    from headstart.config import EvaluateConfig
    from headstart.evaluation.outcomes import Candidate
    from headstart.evaluation.protocols.classification import measure
    from headstart.evaluation.protocols.measuring import LabeledData
    from headstart.modalities.opening import open_modality

    train, test = np.arange(15_000) % classes, np.arange(3000) % classes
    sparse, dense = made(np.concatenate([train, test]))
    data_of = {
        part: Dataset.from_dict({"label": [f"class {label}" for label in codes]})
        for part, codes in (("train", train), ("test", test))
    }
    named = [("TF-IDF", sparse), *((f"dense {number}", rows) for number, rows in enumerate(dense))]
    candidates = [
        Candidate(name, "baseline", features[: len(train)], features[len(train) :])
        for name, features in named
    ]
    config = EvaluateConfig(run="made", train="made")
    content = open_modality("text").content
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    measurement = measure(LabeledData(data_of["train"], data_of["test"], content), config)
    start, busy = time.perf_counter(), time.process_time()
    for candidate in candidates:
        began = time.process_time()
        for outcome in measurement.of([candidate]).outcomes:
            accuracy = 100 * outcome.scores["accuracy"].mean
            print(
                f"  {candidate.name}, {outcome.probe}, {outcome.labels:,} labels: {accuracy:.1f}%"
            )
        print(f"  {candidate.name}: {time.process_time() - began:.0f} s of processor time")
    wall, spent = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{classes:,} classes, {len(candidates)} features: {wall:.0f} s ({spent:.0f} s of "
        f"processor time), {peak / 2**20:.1f} GiB at most ({before / 2**20:.1f} before)"
    )


def made(classes: np.ndarray) -> tuple[Matrix, list[np.ndarray]]:
    """Return TF-IDF (N,D) and four dense features (N,256) of texts of certain classes."""
    from scipy import sparse
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    random = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnoprstuvw"))
    words = ["".join(random.choice(letters, random.integers(3, 9))) for _ in range(20_000)]
    frequency = 1 / np.arange(10, 20_010)
    frequency /= frequency.sum()
    topics = random.integers(0, 20_000, (classes.max() + 1, 40))
    texts = []
    for label in classes:
        drawn = random.choice(20_000, 20, p=frequency)
        own = random.random(20) < 0.3
        drawn[own] = random.choice(topics[label], own.sum())
        texts.append(" ".join(words[word] for word in drawn))
    word = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    character = TfidfVectorizer(
        ngram_range=(2, 5), analyzer="char_wb", sublinear_tf=True, max_features=150_000
    )
    rows = sparse.hstack([each.fit_transform(texts) for each in (word, character)]).tocsr()
    rows = rows.astype(np.float32)
    lsa = TruncatedSVD(256, random_state=0).fit_transform(rows).astype(np.float32)
    noisy = [
        lsa + noise * lsa.std() * random.standard_normal(lsa.shape, np.float32)
        for noise in (0.25, 0.5, 1)
    ]
    return rows, [lsa, *noisy]


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
