"""Are our simple alternatives as strong as pipelines of scikit-learn, written out plainly?

A verdict is worth what it is compared with. On five sets the alternatives of the kind of data, each
with its heads, stand against what an expert would write in ten lines: for text, TF-IDF of words and
characters with a linear SVM, and its LSA with logistic regression; for images, pixels in their
principal components with an RBF-kernel SVM. Both sides see the same unlabeled and labeled records,
tune inside the drawn labels, and choose among their models by cross-validation there. The interval
is that of the paired difference over draws of labels (t distribution, 95%).

    python benchmarks/alternatives.py --sets banking77 phrasebank --draws 5
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from setting import announce, data

#: A fitted model: the accuracy by cross-validation inside the labels, and the predicted classes.
Found = tuple[float, np.ndarray]
#: From indices of labeled training records to one fitted model after the other.
Side = Callable[[np.ndarray], Iterator[Found]]


@dataclass
class Data:
    """Training and test records, texts or images, with their labels.

    Attributes:
        kind: the modality.
        train, test: records.
        classes, truth: labels of the training and of the test records, as numbers.
        labels: how many are drawn.
    """

    kind: str
    train: list[Any]
    test: list[Any]
    classes: np.ndarray
    truth: np.ndarray
    labels: tuple[int, ...]


def banking77() -> Data:
    """77 intents of customers' questions."""
    return _texts(_lines("banking77", "train.jsonl"), _lines("banking77", "test.jsonl"), 385, 770)


def imdb() -> Data:
    """Reviews of films: 6,000 to learn from, 2,000 to test."""
    train, test = (_shuffled(_lines("imdb", f"{part}.jsonl.gz")) for part in ("train", "test"))
    return _texts(train[:6000], test[:2000], 100, 1000)


def phrasebank() -> Data:
    """Sentences of financial news, three sentiments."""
    lines = data("phrasebank", "Sentences_50Agree.utf8.txt").read_text("utf-8-sig").splitlines()
    rows = _shuffled([dict(zip(("text", "label"), x.rsplit("@", 1), strict=True)) for x in lines])
    return _texts(rows[1500:], rows[:1500], 100, 500)


def hotels() -> Data:
    """Chinese reviews of hotels, half of them good."""
    rows = _shuffled(_lines("chnsenticorp_htl", "all.jsonl.gz"))
    sides = [[row for row in rows if row["label"] == side][:2400] for side in (0, 1)]
    rows = _shuffled(sides[0] + sides[1])
    return _texts(rows[1500:], rows[:1500], 100, 500)


def cifar10() -> Data:
    """Photographs of ten classes: 5,000 to learn from, 2,000 to test."""
    parts: list[Any] = []
    with np.load(data("cifar10", "cifar10_jpeg.npz")) as stored:
        for part, count in (("train", 5000), ("test", 2000)):
            content, at = stored[f"{part}_jpeg"], stored[f"{part}_offsets"]
            chosen = np.random.default_rng(0).permutation(len(at) - 1)[:count]
            files = [content[at[n] : at[n + 1]].tobytes() for n in chosen]
            parts.append([{"bytes": file, "path": None} for file in files])
            parts.append(stored[f"{part}_labels"][chosen].astype(np.int64))
    return Data("image", parts[0], parts[2], parts[1], parts[3], (100, 1000))


SETS = {each.__name__: each for each in (banking77, imdb, phrasebank, hotels, cifar10)}


def ours(given: Data) -> Side:
    """Return the alternatives of the modality, each with its heads."""
    from datasets import Dataset

    from headstart.evaluation.heads import HEADS
    from headstart.modalities.opening import open_modality

    train, test = (
        Dataset.from_dict({"id": list(map(str, range(len(part)))), given.kind: part})
        for part in (given.train, given.test)
    )
    modality = open_modality(given.kind)
    found = modality.baselines(None, train, test, seed=0, progress=None)
    heads = [(each, HEADS[name](each.train)) for each in found for name in each.heads]

    def side(drawn: np.ndarray) -> Iterator[Found]:
        for features, head in heads:
            rng = np.random.Generator(np.random.PCG64(0))
            fitted = head.fit(features.train[drawn], given.classes[drawn], rng)
            yield fitted.validation, fitted.predict(features.test)

    return side


def plain(given: Data) -> Side:
    """Return the pipelines of scikit-learn."""
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC, LinearSVC

    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    weak = {"logisticregression__C": [1e-4, 1e-3, 1e-2, 1e-1]}
    if given.kind == "text":
        # scikit-learn's own pattern of words leaves out those of one letter; Chinese has no other.
        words = TfidfVectorizer(
            ngram_range=(1, 2), sublinear_tf=True, min_df=2, token_pattern=r"[\u4e00-\u9fff]|\w+"
        )
        characters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2
        )
        union = make_union(words, characters).fit(given.train)
        rows = [union.transform(part).tocsr() for part in (given.train, given.test)]
        svd = TruncatedSVD(300, n_iter=2, random_state=0).fit(rows[0])
        topics = [svd.transform(part) for part in rows]
        models = [(rows, LinearSVC(), {"C": [0.1, 1, 10]}), (topics, logistic, weak)]
    else:
        pixels = [_pixels(part) for part in (given.train, given.test)]
        pca = PCA(128, whiten=False, random_state=0).fit(pixels[0])
        parts = [pca.transform(part) for part in pixels]
        models = [(parts, SVC(), {"C": [1, 10]}), (parts, logistic, weak)]

    def side(drawn: np.ndarray) -> Iterator[Found]:
        for (train, test), model, grid in models:
            search = GridSearchCV(model, grid, cv=3)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                search.fit(train[drawn], given.classes[drawn])
            yield search.best_score_, search.predict(test)

    return side


def accuracy(side: Side, drawn: np.ndarray, truth: np.ndarray) -> float:
    """Return the test accuracy of the model that cross-validation prefers, in percent."""
    _, predicted = max(side(drawn), key=lambda found: found[0])
    return 100 * float((predicted == truth).mean())


def difference(one: list[float], other: list[float]) -> str:
    """Return the mean paired difference with its 95% interval over draws."""
    from scipy import stats

    gaps = np.subtract(one, other)
    half = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    return f"{gaps.mean():+.1f} [{gaps.mean() - half:+.1f}, {gaps.mean() + half:+.1f}]"


def _pixels(records: list[Any]) -> np.ndarray:
    from PIL import Image

    images = [Image.open(io.BytesIO(each["bytes"])).convert("RGB") for each in records]
    return np.stack([np.asarray(image).ravel() for image in images]) / 255


def _texts(train: list[Any], test: list[Any], *labels: int) -> Data:
    names = sorted({row["label"] for row in train})
    codes = [np.array([names.index(row["label"]) for row in rows]) for rows in (train, test)]
    texts = [[row["text"] for row in rows] for rows in (train, test)]
    return Data("text", texts[0], texts[1], codes[0], codes[1], labels)


def _lines(*parts: str) -> list[Any]:
    file = data(*parts)
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _shuffled(rows: list[Any]) -> list[Any]:
    return [rows[index] for index in np.random.default_rng(0).permutation(len(rows))]


def main() -> None:
    """Measure both sides on every set, and print a table."""
    from headstart.evaluation.draws import draw

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args()
    announce("Simple alternatives against plain pipelines of scikit-learn, accuracy in percent")
    print("| set | labels | ours | scikit-learn | difference [95%] | seconds ours, theirs |")
    print("|---|---|---|---|---|---|")
    for name in options.sets:
        given = SETS[name]()
        sides, seconds = [], []
        for make in (ours, plain):
            start = time.perf_counter()
            sides.append(make(given))
            seconds.append(time.perf_counter() - start)
        for labels in given.labels:
            draws = [draw(given.classes, labels, seed) for seed in range(options.draws)]
            scores: list[list[float]] = []
            for number, side in enumerate(sides):
                start = time.perf_counter()
                scores.append([accuracy(side, drawn, given.truth) for drawn in draws])
                seconds[number] += time.perf_counter() - start
            means = " | ".join(f"{np.mean(row):.1f}" for row in scores)
            took = ", ".join(f"{each:.0f}" for each in seconds)
            print(
                f"| {name} | {labels} | {means} | {difference(*scores)} | {took} |",
                flush=True,
            )
            seconds = [0.0, 0.0]


if __name__ == "__main__":
    main()
