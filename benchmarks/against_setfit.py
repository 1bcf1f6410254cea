"""Few labels: ``headstart finetune`` against the ``setfit`` package, same start, same labels.

Both begin with all-MiniLM-L6-v2 and get the same 1 to 16 labels a class; a process each, in turn.
Ours is measured twice: with the labels alone, and with other training texts without their labels.
It also reads the names of the classes, for which setfit has no use. setfit has its defaults, with
the pairs of its paper (Tunstall et al. 2022, https://arxiv.org/abs/2209.11055, R = 20): all pairs
of a thousand labels would take a day. Seconds are those of the process from its first import to a
model, ours with reading and saving and without its comparison with simple alternatives::

    pip install setfit evaluate
    python benchmarks/against_setfit.py --sets banking77 --each 1 4 --draws 3
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from few_label_heads import texts
from judging import show
from setting import announce, apart, minilm

#: Texts that are tested at most, and unlabeled ones that are read.
TESTED, POOL = 1000, 4000
#: Pairs of each kind for a label, of setfit's paper.
ITERATIONS = 20
#: What the classes of a set are called.
SPOKEN = {"imdb": {"0": "negative", "1": "positive"}}


def main() -> None:
    """Measure each set and number of labels, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=["banking77", "phrasebank", "imdb"])
    parser.add_argument("--each", nargs="+", type=int, default=[1, 2, 4, 8, 16])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--pool", type=int, default=POOL)
    options = parser.parse_args()
    announce("Few labels: headstart and setfit")
    show("set", "labels a class", "setfit", "side", "headstart", "difference [95%]", "seconds")
    show(*["---"] * 7)
    for name in options.sets:
        for each in options.each:
            rows(name, each, options.draws, options.pool)


def rows(name: str, each: int, draws: int, pool: int) -> None:
    """Print the accuracies and seconds of both sides, with intervals of the differences."""
    from headstart.evaluation.metrics import t_half_width

    found: dict[str, list[tuple[float, float]]] = {"setfit": [], "labels": [], "with pool": []}
    for seed in range(draws):
        with tempfile.TemporaryDirectory() as scratch:
            files = written(name, each, seed, Path(scratch), pool)
            found["setfit"].append(apart(setfit, files, seed))
            found["labels"].append(apart(headstart, files, seed, False))
            found["with pool"].append(apart(headstart, files, seed, True))
    theirs, their_seconds = np.array(found.pop("setfit")).T
    for side, scores in found.items():
        ours, our_seconds = np.array(scores).T
        gain = 100 * (ours - theirs)
        half = t_half_width(gain) if draws > 1 else float("nan")
        ratio = their_seconds.mean() / our_seconds.mean()
        show(
            name,
            str(each),
            f"{100 * theirs.mean():.1f}",
            side,
            f"{100 * ours.mean():.1f}",
            f"{gain.mean():+.1f} [{gain.mean() - half:+.1f}, {gain.mean() + half:+.1f}]",
            f"{their_seconds.mean():.0f} / {our_seconds.mean():.0f} = {ratio:.1f}x",
        )


def written(name: str, each: int, seed: int, folder: Path, pool: int) -> dict[str, str]:
    """Write labeled, unlabeled and tested texts, and return their files."""
    train, labels, test, truth = texts(name)
    spoken = SPOKEN.get(name, {})
    rows = [(text, spoken.get(label, label)) for text, label in zip(train, labels, strict=True)]
    tested = [(text, spoken.get(label, label)) for text, label in zip(test, truth, strict=True)]
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(rows))
    counts: dict[str, int] = {}
    taken = []
    for index in order:
        label = rows[index][1]
        if counts.get(label, 0) < each:
            counts[label] = counts.get(label, 0) + 1
            taken.append(int(index))
    rest = sorted(map(int, order[~np.isin(order, taken)][:pool]))
    some = np.random.default_rng(0).permutation(len(tested))[:TESTED]
    parts = {
        "train": [{"text": rows[i][0], "label": rows[i][1]} for i in taken],
        "unlabeled": [{"text": rows[i][0]} for i in rest],
        "test": [{"text": tested[i][0], "label": tested[i][1]} for i in some],
    }
    files = {}
    for part, lines in parts.items():
        file = folder / f"{part}.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        files[part] = str(file)
    return files


def read(file: str) -> list[dict[str, str]]:
    """Return the rows of a file."""
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]


def setfit(files: dict[str, str], seed: int) -> tuple[float, float]:
    """Return setfit's accuracy, and the seconds until it has a model."""
    start = time.perf_counter()
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    rows, tested = read(files["train"]), read(files["test"])
    classes = sorted({row["label"] for row in rows})
    model = SetFitModel.from_pretrained(str(minilm()), labels=classes)
    with tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(
            output_dir=out,
            num_iterations=ITERATIONS,
            seed=seed,
            save_strategy="no",
            report_to="none",
            show_progress_bar=False,
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows))
        trainer.train()
        seconds = time.perf_counter() - start
    predicted = model.predict([row["text"] for row in tested], use_labels=True)
    right = [str(one) == row["label"] for one, row in zip(predicted, tested, strict=True)]
    return float(np.mean(right)), seconds


def headstart(files: dict[str, str], seed: int, pool: bool) -> tuple[float, float]:
    """Return our accuracy, and the seconds of the whole command.

    Args:
        pool: whether the unlabeled texts are read. Without them the head is fitted to the frozen
            network, which is not fine-tuned.
    """
    start = time.perf_counter()
    import headstart as hs

    options: dict[str, Any] = {"unlabeled": [files["unlabeled"]]} if pool else {"freeze": "all"}
    with tempfile.TemporaryDirectory() as scratch:
        run: Any = hs.finetune(
            str(minilm()),
            train=files["train"],
            out=str(Path(scratch, "run")),
            alternatives=False,
            seed=seed,
            **options,
        )
        seconds = time.perf_counter() - start
        tested = read(files["test"])
        rows = run.predict([row["text"] for row in tested])
    right = [row["label"] == truth["label"] for row, truth in zip(rows, tested, strict=True)]
    return float(np.mean(right)), seconds


if __name__ == "__main__":
    main()
