"""Few labels on IMDb and on Chinese hotel reviews: what the default of each budget is worth.

Pre-trained without labels on IMDb's 50,000 unlabeled and 25,000 training texts (or on Chinese shop
reviews and news), with nothing chosen but the budget; then ``headstart evaluate`` against every
simple alternative, on test texts that pre-training never saw.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

from setting import announce, data


def imdb(folder: Path) -> dict[str, Any]:
    """Return sources, labeled files and label counts for IMDb."""
    return {
        "sources": [str(data("imdb", f"{part}.jsonl.gz")) for part in ("unsup", "train")],
        "train": str(data("imdb", "train.jsonl.gz")),
        "test": str(data("imdb", "test.jsonl.gz")),
        "labels": ["100", "250", "500", "all"],
    }


def chinese(folder: Path) -> dict[str, Any]:
    """Return the same for the hotel reviews, parted by their ``split`` field."""
    parts: dict[str, list[str]] = {"train": [], "test": []}
    with gzip.open(data("chnsenticorp_htl", "all.jsonl.gz"), "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            parts["test" if row["split"] == "test" else "train"].append(line)
    for name, lines in parts.items():
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    with gzip.open(data("online_shopping_10_cats", "all.jsonl.gz"), "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    for corpus in sorted(data("zh_corpus").glob("*.jsonl.gz")):
        with gzip.open(corpus, "rt", encoding="utf-8") as file:
            texts += [json.loads(line)["text"] for line in file]
    source = folder / "unlabeled.jsonl"
    rows = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    source.write_text("".join(rows), encoding="utf-8")
    return {
        "sources": [str(source)],
        "train": str(folder / "train.jsonl"),
        "test": str(folder / "test.jsonl"),
        "labels": ["50", "100", "500", "all"],
    }


def main() -> None:
    """Pre-train and evaluate once for each budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=["imdb", "chinese"])
    parser.add_argument("--budgets", nargs="+", default=["5min", "15min", "60min"])
    options = parser.parse_args()
    announce(f"Few labels, {options.data}")
    import headstart as hs

    with tempfile.TemporaryDirectory() as scratch:
        files = {"imdb": imdb, "chinese": chinese}[options.data](Path(scratch))
        sources = files.pop("sources")
        for budget in options.budgets:
            run = hs.pretrain(*sources, out=str(Path(scratch, budget)), budget=budget)
            report = run.evaluate(**files)
            steps, plan = run.resolved["steps"], run.resolved["plan"]
            print(f"\n{budget}: {plan['objectives']} on {plan['encoder']}, {steps} steps")
            print(report)
            for score in report.summary()["scores"]:
                if score["probe"] == "logistic regression":
                    print(f"  {score['contender']:14} {score['labels']:>6} {score['accuracy']:.4f}")


if __name__ == "__main__":
    main()
