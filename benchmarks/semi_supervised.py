"""Do unlabeled records help with few labels? IMDb with 100, CIFAR-10 with ten a class.

Each seed draws other labels. ``headstart finetune --unlabeled`` fine-tunes on the labels alone as
well, with the same options and the same labels held out, and both are tested here on all test
records. No unlabeled record is used that also occurs in the test data. The last lines say what
the unlabeled records are worth: the mean difference over the seeds with its 95% interval (paired
t). Ways were picked on held-out training records (``docs/log.md``), never by what this prints.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from setting import announce, data


def imdb(folder: Path, seed: int) -> dict[str, Any]:
    """Return the sources of IMDb: 50 labels of each of two classes, and 75,000 unlabeled texts."""
    rows = _lines(data("imdb", "train.jsonl.gz"))
    labels = np.array([json.loads(row)["label"] for row in rows])
    chosen = _drawn(labels, 50, seed)
    (folder / "labeled.jsonl").write_text("".join(rows[n] for n in chosen), encoding="utf-8")
    test = data("imdb", "test.jsonl.gz")
    return {
        "train": str(folder / "labeled.jsonl"),
        "unlabeled": [str(data("imdb", f"{part}.jsonl.gz")) for part in ("unsup", "train")],
        "test": str(test),
        "answers": [str(json.loads(row)["label"]) for row in _lines(test)],
    }


def cifar10(folder: Path, seed: int) -> dict[str, Any]:
    """Return the sources of CIFAR-10: ten labels a class, and 50,000 unlabeled pictures."""
    path = data("cifar10", "cifar10_jpeg.npz")
    with np.load(path) as stored:
        names, labels = stored["classes"], stored["train_labels"]
        jpeg, offsets = stored["train_jpeg"], stored["train_offsets"]
        for index in _drawn(labels, 10, seed):
            home = folder / "labeled" / str(names[labels[index]])
            home.mkdir(parents=True, exist_ok=True)
            image = jpeg[offsets[index] : offsets[index + 1]].tobytes()
            (home / f"{index}.jpg").write_bytes(image)
        answers = [str(names[label]) for label in stored["test_labels"]]
    return {
        "train": str(folder / "labeled"),
        "unlabeled": [f"{path}#train"],
        "test": f"{path}#test",
        "answers": answers,
    }


SETS = {"imdb": imdb, "cifar10": cifar10}


def _lines(file: Path) -> list[str]:
    with gzip.open(file, "rt", encoding="utf-8") as opened:
        return list(opened)


def _drawn(labels: np.ndarray, each: int, seed: int) -> list[int]:
    """Return places of ``each`` records of each class."""
    random = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return [int(index) for some in classes for index in random.permutation(some)[:each]]


def interval(values: list[float]) -> str:
    """Return a mean with its 95% interval by Student's t."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:+.1f} (one seed)"
    half = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"


def main() -> None:
    """Fine-tune both ways on each draw of labels, test both, and print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=list(SETS))
    parser.add_argument("--run", help="a finished pre-training run; otherwise one is made")
    parser.add_argument("--budget", default="15min", help="of the pre-training, without --run")
    parser.add_argument("--ways", nargs="+", default=["auto"])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    announce(f"Semi-supervised fine-tuning on {options.data}")
    import headstart as hs

    with tempfile.TemporaryDirectory() as scratch:
        start = options.run
        if start is None:
            sources = SETS[options.data](Path(scratch), 0)["unlabeled"]
            start = str(hs.pretrain(*sources, out=f"{scratch}/start", budget=options.budget).folder)
        for way in options.ways:
            alone: list[float] = []
            both: list[float] = []
            for seed in range(options.seeds):
                folder = Path(scratch, f"{way}{seed}")
                folder.mkdir()
                files = SETS[options.data](folder, seed)
                run = hs.finetune(
                    start,
                    train=files["train"],
                    unlabeled=files["unlabeled"],
                    remove_overlap=[files["test"]],
                    semi=way,
                    seed=seed,
                    out=str(folder / "run"),
                )
                for found, tested in ((both, run.folder), (alone, run.folder / "labels_alone")):
                    rows = hs.predict(str(tested), files["test"])
                    pairs = zip(rows, files["answers"], strict=True)
                    found.append(100 * float(np.mean([r["label"] == a for r, a in pairs])))
                print(f"{way}, seed {seed}: {both[-1]:.1f}, labels alone {alone[-1]:.1f}")
            gains = [ours - theirs for ours, theirs in zip(both, alone, strict=True)]
            print(f"{way}: {np.mean(both):.1f}, labels alone {np.mean(alone):.1f}")
            print(f"{way} gains {interval(gains)} points", flush=True)


if __name__ == "__main__":
    main()
