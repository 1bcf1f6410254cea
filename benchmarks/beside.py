"""A run beside a published encoder, against that encoder alone and the run alone.

The default command on the questions of a bank (banking77) and on film reviews (IMDb: 75,000
without labels, 6,000 to draw labels from, 4,000 tested), with all-MiniLM-L6-v2 as the start::

    python benchmarks/beside.py --sets banking77 --labels 77 385 770 all --draws 3

At each number of labels the run takes the parts that cross-validation inside the labels prefers.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import tempfile
from pathlib import Path
from typing import Any

from setting import announce, data

START = "all-MiniLM-L6-v2"
#: Steps of the pre-training: what a budget of five minutes gave, six epochs at most.
STEPS = {"banking77": 60, "imdb": 440}
LABELS = {"banking77": ["77", "385", "770", "all"], "imdb": ["20", "100", "1000", "all"]}


def banking77(folder: Path) -> dict[str, Any]:
    """Return the sources, and the labeled files."""
    train, test = (str(data("banking77", f"{part}.jsonl")) for part in ("train", "test"))
    return {"sources": [train], "train": train, "test": test}


def imdb(folder: Path) -> dict[str, Any]:
    """Return the sources, and a part of the labeled files, shuffled with a fixed seed."""
    files = {}
    for part, count in (("train", 6000), ("test", 4000)):
        with gzip.open(data("imdb", f"{part}.jsonl.gz"), "rt", encoding="utf-8") as opened:
            rows = [json.loads(line) for line in opened]
        random.Random(1).shuffle(rows)
        files[part] = str(folder / f"{part}.jsonl")
        Path(files[part]).write_text("".join(json.dumps(row) + "\n" for row in rows[:count]))
    sources = [str(data("imdb", f"{part}.jsonl.gz")) for part in ("unsup", "train")]
    return {"sources": sources, **files}


def main() -> None:
    """Pre-train and evaluate on each set, and print a row for each number of labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--labels", nargs="+")
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args()
    announce("A run beside a published encoder")
    import headstart as hs

    for name in options.sets:
        with tempfile.TemporaryDirectory() as scratch:
            files = {"banking77": banking77, "imdb": imdb}[name](Path(scratch))
            out, budget = str(Path(scratch, "run")), f"{STEPS[name]}steps"
            run = hs.pretrain(*files.pop("sources"), out=out, budget=budget, start=START)
            report: Any = run.evaluate(
                **files, labels=options.labels or LABELS[name], seeds=options.draws
            )
            print(f"\n{name}\n{report}\n")
            for labels in report.results.counts:
                ours = report.results.ours(labels)
                rows = {each.candidate: each for each in report.results.judged(labels)}
                alone = ", ".join(
                    f"{part} {rows[part].mean:.1%}" for part in ("pre-trained", START)
                )
                print(f"{labels:>7,}: {ours.mean:.1%} by {' + '.join(ours.parts)}; {alone}")


if __name__ == "__main__":
    main()
