"""One encoder, every protocol: banking77 and STS-B, as a Markdown table.

Pre-trained without labels on the questions of banking77 and the sentences of STS-B's training
part, with nothing chosen but the budget. Then ``headstart evaluate`` by each task on the test
parts: classification with 1, 5 and 10 labels for each of the 77 intents and with all, few-shot
episodes, retrieval and clustering by intent, similarity of sentences, and (with
``--corruptions``) what typos, case and spaces cost.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from setting import announce, data

#: Options of each task, and the score that stands in the table besides the headline.
BANKING: dict[str, dict[str, Any]] = {
    "classification": {"labels": ["77", "385", "770", "all"]},
    "fewshot": {"shots": ["1", "5"], "ways": 5, "episodes": 200},
    "retrieval": {},
    "clustering": {},
}


def unlabeled(folder: Path) -> str:
    """Write what is pre-trained on: the training texts of both, without labels or scores."""
    questions = data("banking77", "train.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in questions]
    for line in data("sts_en", "stsb_train.jsonl").read_text().splitlines():
        row = json.loads(line)
        texts += [row["s1"], row["s2"]]
    source = folder / "unlabeled.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(source)


def rows(name: str, results: Any) -> list[str]:
    """Return a line of the table for every candidate and number of labels."""
    from headstart.evaluation.intervals import compare

    metric, lines = results.metric, []
    factor, indices = (100, 1) if metric.percent else (1, 3)
    for labels, count in results.counts.items():
        ours = results.ours(labels)
        for outcome in results.judged(labels):
            gain = compare(results, ours, outcome).estimate
            ahead, least, most = (factor * x for x in (gain.mean, gain.low, gain.high))
            score = outcome.scores[metric.name]
            mean, low, high = (factor * x for x in (score.mean, score.low, score.high))
            others = ", ".join(
                f"{other} {value.mean:.3f}"
                for other, value in outcome.scores.items()
                if other != metric.name
            )
            lines.append(
                f"| {name} | {count} | {outcome.candidate} | {metric.name} "
                f"{mean:.{indices}f} [{low:.{indices}f}, {high:.{indices}f}] | {others} | "
                f"{ahead:+.{indices}f} [{least:+.{indices}f}, {most:+.{indices}f}] |"
            )
    for shift in results.shifts:
        score, drop = (factor * x.mean for x in (shift.score, shift.drop))
        lines.append(
            f"| {name}, {shift.shift} {shift.severity} | {shift.labels} | {shift.candidate} | "
            f"{metric.name} {score:.{indices}f} | drop {drop:+.{indices}f} "
            f"[{factor * shift.drop.low:+.{indices}f}, {factor * shift.drop.high:+.{indices}f}] | |"
        )
    return lines


def main() -> None:
    """Pre-train once, evaluate by every protocol, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="5min")
    parser.add_argument("--tasks", nargs="+", default=[*BANKING, "similarity"])
    parser.add_argument("--start", default="none", help="auto: a published encoder beside it")
    parser.add_argument("--corruptions", action="store_true")
    options = parser.parse_args()
    announce(f"Protocols, {options.budget}, start {options.start}")
    import headstart as hs

    corruptions = ["auto" if options.corruptions else "off"]
    with tempfile.TemporaryDirectory() as scratch:
        run = hs.pretrain(
            unlabeled(Path(scratch)),
            out=str(Path(scratch, "run")),
            budget=options.budget,
            start=options.start,
        )
        table, verdicts = [], []
        for task in options.tasks:
            start = time.monotonic()
            report: Any
            if task == "similarity":
                report = run.evaluate(
                    str(data("sts_en", "stsb_test.jsonl")), task=task, corruptions=corruptions
                )
            else:
                report = run.evaluate(
                    str(data("banking77", "train.jsonl")),
                    test=str(data("banking77", "test.jsonl")),
                    task=task,
                    corruptions=corruptions,
                    alternatives_budget="1h",
                    **BANKING[task],
                )
            took = time.monotonic() - start
            verdicts.append(f"{task} ({took:.0f} s): {report.verdict}")
            table += rows(task, report.results)
    print("\n".join(verdicts), end="\n\n")
    print("| task | labels | candidate | headline [95%] | other scores | ours ahead by |")
    print("|---|---|---|---|---|---|")
    print("\n".join(table))


if __name__ == "__main__":
    main()
