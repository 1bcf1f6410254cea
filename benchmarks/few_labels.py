"""Few labels on IMDb: what the default of each budget is worth.

Pre-trained without labels on the 50,000 unlabeled and 25,000 training texts, with nothing chosen
but the budget; then ``headstart evaluate`` against every simple alternative, on test texts that
pre-training never saw. ``chinese.py`` does the same for Chinese.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from setting import announce, data


def imdb() -> dict[str, Any]:
    """Return the sources, the labeled files and the numbers of labels."""
    return {
        "sources": [str(data("imdb", f"{part}.jsonl.gz")) for part in ("unsup", "train")],
        "train": str(data("imdb", "train.jsonl.gz")),
        "test": str(data("imdb", "test.jsonl.gz")),
        "labels": ["100", "250", "500", "all"],
    }


def lines(file: Path) -> Iterator[str]:
    """Yield the lines of a gzipped file."""
    with gzip.open(file, "rt", encoding="utf-8") as opened:
        yield from opened


def main() -> None:
    """Pre-train and evaluate once for each budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budgets", nargs="+", default=["5min", "15min", "60min"])
    options = parser.parse_args()
    announce("Few labels, IMDb")
    import headstart as hs

    with tempfile.TemporaryDirectory() as scratch:
        files = imdb()
        sources = files.pop("sources")
        for budget in options.budgets:
            run = hs.pretrain(*sources, out=str(Path(scratch, budget)), budget=budget)
            report = run.evaluate(**files)
            steps, plan = run.resolved["steps"], run.resolved["plan"]
            print(f"\n{budget}: {plan['objectives']} on {plan['encoder']}, {steps} steps")
            print(report)
            for score in report.summary()["scores"]:
                if score["probe"] == "logistic regression":
                    print(f"  {score['candidate']:14} {score['labels']:>6} {score['accuracy']:.4f}")


if __name__ == "__main__":
    main()
