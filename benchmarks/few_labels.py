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
import unicodedata
from collections.abc import Iterator
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
    """Return the same for the hotel reviews, parted by their ``split`` field.

    Many of them lie in the unlabeled corpora, too; there they are dropped, those that differ in
    spaces, punctuation and case alone included.
    """
    parts: dict[str, list[str]] = {"train": [], "test": []}
    labeled = set()
    for line in lines(data("chnsenticorp_htl", "all.jsonl.gz")):
        row = json.loads(line)
        parts["test" if row["split"] == "test" else "train"].append(line)
        labeled.add(letters(row["text"]))
    for name, rows in parts.items():
        (folder / f"{name}.jsonl").write_text("".join(rows), encoding="utf-8")
    corpora = [
        data("online_shopping_10_cats", "all.jsonl.gz"),
        *sorted(data("zh_corpus").glob("*.jsonl.gz")),
    ]
    texts = [json.loads(line)["text"] for corpus in corpora for line in lines(corpus)]
    kept = [text for text in texts if letters(text) not in labeled]
    print(
        f"{len(texts) - len(kept):,} of {len(texts):,} unlabeled texts are hotel reviews; dropped"
    )
    source = folder / "unlabeled.jsonl"
    unlabeled = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in kept)
    source.write_text("".join(unlabeled), encoding="utf-8")
    return {
        "sources": [str(source)],
        "train": str(folder / "train.jsonl"),
        "test": str(folder / "test.jsonl"),
        "labels": ["50", "100", "500", "all"],
    }


def lines(file: Path) -> Iterator[str]:
    """Yield the lines of a gzipped file."""
    with gzip.open(file, "rt", encoding="utf-8") as opened:
        yield from opened


def letters(text: str) -> str:
    """Return the letters and digits of a text alone."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


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
