"""Does what was gained last? The same probes on corrupted records, and on another domain.

A run on IMDb and one on CIFAR-10, each probed on 1,000 labels, five draws. Of texts: typos, case
and spaces; of pictures: noise, blur, JPEG and brightness, at three severities each, on 2,000
test records that are compared with themselves. The other domain is sentences of financial news
(positive and negative; Malo et al. 2014) for a probe that learned from film reviews. The runs are
made with the budget, or named.

    python benchmarks/robustness.py imdb cifar10 [--run RUN RUN] [--budget 15min]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from setting import announce, data

SETS = {
    "imdb": (("imdb", "unsup.jsonl.gz"), ("imdb", "train.jsonl.gz"), ("imdb", "test.jsonl.gz")),
    "cifar10": ("#train", "#train", "#test"),
}
LABELS = "1000"


def source(name: str, part: int) -> str:
    """Return the source of pre-training (0), of labels (1) or of tests (2)."""
    where = SETS[name][part]
    if isinstance(where, str):
        return f"{data('cifar10', 'cifar10_jpeg.npz')}{where}"
    return str(data(*where))


def financial(file: Path) -> str:
    """Write the sentences that are positive or negative with the labels of IMDb, and return it."""
    known = {"positive": 1, "negative": 0}
    lines = data("phrasebank", "Sentences_50Agree.utf8.txt").read_text(encoding="utf-8-sig")
    with file.open("w", encoding="utf-8") as out:
        for line in lines.splitlines():
            text, _, label = line.rpartition("@")
            if label in known:
                out.write(json.dumps({"text": text, "label": known[label]}) + "\n")
    return str(file)


def main() -> None:
    """Evaluate each run under every corruption, and print what each candidate loses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", choices=list(SETS), default=list(SETS))
    parser.add_argument("--run", nargs="+", help="finished runs, one for each set")
    parser.add_argument("--budget", default="15min", help="of the pre-training, without --run")
    options = parser.parse_args()
    announce("Robustness")
    import headstart as hs

    with tempfile.TemporaryDirectory() as scratch:
        for index, name in enumerate(options.sets):
            if options.run:
                run = hs.Run.open(options.run[index])
            else:
                sources = {source(name, 0), source(name, 1)}
                out = str(Path(scratch, name))
                run = hs.pretrain(*sources, out=out, budget=options.budget, tracker="none")
            report: Any = run.evaluate(
                source(name, 1),
                test=source(name, 2),
                labels=[LABELS],
                corruptions=["auto"],
                shifted=financial(Path(scratch, "news.jsonl")) if name == "imdb" else None,
            )
            print(
                f"\n{name}\n\n{report}\n\n| {LABELS} labels | severity | candidate | as they are "
                "| so | drop |\n|---|---|---|---|---|---|"
            )
            for shift in report.results.shifts:
                drop = shift.drop
                cells = (
                    Path(shift.shift).name,
                    shift.severity or "",
                    shift.candidate,
                    f"{100 * shift.clean.mean:.1f}",
                    f"{100 * shift.score.mean:.1f}",
                    f"{100 * drop.mean:.1f} [{100 * drop.low:.1f}, {100 * drop.high:.1f}]",
                )
                print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
