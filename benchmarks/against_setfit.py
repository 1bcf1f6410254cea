"""Few labels: ``headstart finetune`` against the ``setfit`` package, same start, same labels.

Both begin with all-MiniLM-L6-v2 and get the same 1 to 16 labels a class; a process each, in turn.
Ours also reads the other training texts without their labels, and the names of the classes, for
which setfit has no use. setfit has its defaults, with the pairs of its paper (Tunstall et al. 2022,
https://arxiv.org/abs/2209.11055, R = 20): all pairs of a thousand labels would take a day. Seconds
are from labels to a model, ours with reading and saving::

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

#: Texts that are tested at most.
TESTED = 2000
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
    options = parser.parse_args()
    announce("Few labels: headstart and setfit")
    show("set", "labels a class", "setfit", "headstart", "difference [95%]", "seconds", "ratio")
    show(*["---"] * 7)
    for name in options.sets:
        for each in options.each:
            row(name, each, options.draws)


def row(name: str, each: int, draws: int) -> None:
    """Print the accuracies and seconds of both sides, with the interval of the difference."""
    from headstart.evaluation.metrics import t_half_width

    found: list[tuple[float, float, float, float]] = []
    for seed in range(draws):
        with tempfile.TemporaryDirectory() as scratch:
            files = written(name, each, seed, Path(scratch))
            theirs = apart(setfit, files, seed)
            ours = apart(headstart, files, seed)
            found.append((*theirs, *ours))
    theirs, their_seconds, ours, our_seconds = np.array(found).T
    gain = 100 * (ours - theirs)
    half = t_half_width(gain) if draws > 1 else float("nan")
    show(
        name,
        str(each),
        f"{100 * theirs.mean():.1f}",
        f"{100 * ours.mean():.1f}",
        f"{gain.mean():+.1f} [{gain.mean() - half:+.1f}, {gain.mean() + half:+.1f}]",
        f"{their_seconds.mean():.0f} / {our_seconds.mean():.0f}",
        f"{their_seconds.mean() / our_seconds.mean():.1f}x",
    )


def written(name: str, each: int, seed: int, folder: Path) -> dict[str, str]:
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
    rest = sorted(set(range(len(rows))) - set(taken))
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
    """Return setfit's accuracy, and the seconds of its training."""
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
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    predicted = model.predict([row["text"] for row in tested], use_labels=True)
    right = [str(one) == row["label"] for one, row in zip(predicted, tested, strict=True)]
    return float(np.mean(right)), seconds


def headstart(files: dict[str, str], seed: int) -> tuple[float, float]:
    """Return our accuracy, and the seconds of the whole command."""
    import headstart as hs

    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        run: Any = hs.finetune(
            str(minilm()),
            train=files["train"],
            unlabeled=[files["unlabeled"]],
            out=str(Path(scratch, "run")),
            seed=seed,
        )
        seconds = time.perf_counter() - start
        tested = read(files["test"])
        rows = run.predict([row["text"] for row in tested])
    right = [row["label"] == truth["label"] for row, truth in zip(rows, tested, strict=True)]
    return float(np.mean(right)), seconds


if __name__ == "__main__":
    main()
