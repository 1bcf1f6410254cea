"""Few labels in Chinese: pre-trained on shop reviews and news, judged on hotel reviews.

Without labels: ``online_shopping_10_cats`` (its hotel category too) and ``zh_corpus``. Texts that
also stand among the tested hotel reviews are left out of the pre-training, exact and near copies
(``--remove-overlap``). ``headstart evaluate`` judges with 50 labels and with all.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from few_labels import lines
from judging import show
from setting import announce, data


def files(folder: Path, most: int | None) -> dict[str, Any]:
    """Return the unlabeled sources, and the hotel reviews parted by their ``split`` field.

    Args:
        folder: where parts of the data are written.
        most: lines of each source at most.
    """
    parts: dict[str, list[str]] = {"train": [], "test": []}
    for line in lines(data("chnsenticorp_htl", "all.jsonl.gz")):
        parts["test" if json.loads(line)["split"] == "test" else "train"].append(line)
    for name, rows in parts.items():
        (folder / f"{name}.jsonl").write_text("".join(rows), encoding="utf-8")
    corpora = [
        data("online_shopping_10_cats", "all.jsonl.gz"),
        *sorted(data("zh_corpus").glob("*.jsonl.gz")),
    ]
    if most:
        for index, corpus in enumerate(corpora):
            corpora[index] = folder / corpus.name.removesuffix(".gz")
            # From the end: there the shop reviews are of hotels.
            corpora[index].write_text("".join(list(lines(corpus))[-most:]), encoding="utf-8")
    return {
        "sources": [str(file) for file in corpora],
        "train": str(folder / "train.jsonl"),
        "test": str(folder / "test.jsonl"),
    }


def main() -> None:
    """Pre-train, judge, and print the table and both verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="15min")
    parser.add_argument("--objective", default="auto")
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--labels", nargs="+", default=["50", "all"])
    parser.add_argument("--records", type=int, help="of each source at most, for a trial")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    announce(f"Few labels in Chinese, {options.budget}, seed {options.seed}")
    import headstart as hs

    with tempfile.TemporaryDirectory() as scratch:
        parts = files(Path(scratch), options.records)
        run = hs.pretrain(
            *parts["sources"],
            out=str(Path(scratch, "run")),
            budget=options.budget,
            objective=options.objective,
            encoder=options.encoder,
            remove_overlap=[parts["test"]],
            tracker="none",
            seed=options.seed,
        )
        plan, steps = run.resolved["plan"], run.resolved["steps"]
        print(f"{'+'.join(plan['objectives'])} on {plan['encoder']}, {steps:,} steps")
        found = json.loads(run.audit_file.read_text(encoding="utf-8"))["overlap_removed"]
        print(
            f"left out {found['pretraining']:,} unlabeled texts: {found['exact']:,} of the "
            f"{found['tested']:,} tested stood among them as they are, {found['near']:,} nearly\n"
        )
        report = run.evaluate(
            parts["train"], test=parts["test"], labels=options.labels, seed=options.seed
        )
        print(report)
        show("labels", "candidate", "classifier", "accuracy")
        show("---", "---", "---", "---")
        for row in report.summary()["scores"]:
            accuracy = f"{100 * row['accuracy']:.1f}"
            show(str(row["labels"]), row["candidate"], row["probe"], accuracy)


if __name__ == "__main__":
    main()
