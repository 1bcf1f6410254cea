"""The default command on every set of texts: is it worth it, and against what?

``headstart pretrain --budget 5min`` and ``headstart evaluate`` with nothing else chosen, beside
all alternatives of the verdict. ``--start none`` is pre-training from nothing; with ``auto`` a
published encoder on the machine stands beside the run and among the alternatives::

    python benchmarks/text_sets.py --sets banking77 phrasebank --start none --draws 5

One row a set and number of labels: ours and by what it was reached, the best alternative, the
difference with its interval, and whether that is a claim.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judging import show
from setting import announce, data


@dataclass(frozen=True)
class Texts:
    """Where a set's records are.

    Attributes:
        sources: records without labels.
        train: labeled records.
        test: the tested ones, or scored pairs.
        labels: numbers of labels; [] where nothing is fitted.
        options: other options of the pre-training.
    """

    sources: list[str]
    train: str
    test: str
    labels: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


def lines(file: Path) -> Iterator[str]:
    """Yield the lines of a gzipped file."""
    with gzip.open(file, "rt", encoding="utf-8") as opened:
        yield from opened


def write(file: Path, rows: Iterable[str]) -> str:
    """Write lines of JSON and return the path."""
    file.write_text("".join(rows), encoding="utf-8")
    return str(file)


def banking77(folder: Path) -> Texts:
    """Questions of a bank, 77 intents; the training questions are the unlabeled ones."""
    train, test = (str(data("banking77", f"{part}.jsonl")) for part in ("train", "test"))
    return Texts([train], train, test, ["77", "385", "770", "all"])


def phrasebank(folder: Path) -> Texts:
    """Sentences of financial news, three sentiments; a quarter, drawn with a seed, is tested."""
    text = data("phrasebank", "Sentences_50Agree.utf8.txt").read_text(encoding="utf-8-sig")
    rows = []
    for line in text.splitlines():
        sentence, _, label = line.rpartition("@")
        rows.append(json.dumps({"text": sentence, "label": label}) + "\n")
    random.Random(1).shuffle(rows)
    cut = len(rows) // 4
    train = write(folder / "train.jsonl", rows[cut:])
    return Texts([train], train, write(folder / "test.jsonl", rows[:cut]), ["50", "100", "500"])


def imdb(folder: Path) -> Texts:
    """Film reviews: 75,000 without labels, 6,000 to draw labels from, 4,000 tested."""
    parts = {}
    for part, count in (("train", 6000), ("test", 4000)):
        rows = list(lines(data("imdb", f"{part}.jsonl.gz")))
        random.Random(1).shuffle(rows)
        parts[part] = write(folder / f"{part}.jsonl", rows[:count])
    sources = [str(data("imdb", f"{part}.jsonl.gz")) for part in ("unsup", "train")]
    return Texts(sources, parts["train"], parts["test"], ["20", "100", "1000", "all"])


def imdb_whole(folder: Path) -> Texts:
    """Film reviews: 75,000 without labels, all 25,000 with labels, all 25,000 tested."""
    parts = {part: str(data("imdb", f"{part}.jsonl.gz")) for part in ("unsup", "train", "test")}
    sources = [parts["unsup"], parts["train"]]
    return Texts(sources, parts["train"], parts["test"], ["100", "1000", "all"])


def _reviews(name: str) -> dict[str, list[str]]:
    """Return the labeled lines of a set by their ``split`` field, shuffled with a fixed seed."""
    parts: dict[str, list[str]] = {"train": [], "test": []}
    for line in lines(data(name, "all.jsonl.gz")):
        parts["test" if json.loads(line)["split"] == "test" else "train"].append(line)
    for rows in parts.values():
        random.Random(1).shuffle(rows)
    return parts


def hotels(folder: Path) -> Texts:
    """Chinese hotel reviews; shop reviews without labels, none that is tested or nearly so."""
    parts = _reviews("chnsenticorp_htl")
    train, test = (write(folder / f"{part}.jsonl", parts[part]) for part in ("train", "test"))
    shops = str(data("online_shopping_10_cats", "all.jsonl.gz"))
    options = {"remove_overlap": [test]}
    return Texts([shops, train], train, test, ["50", "500", "all"], options)


def shopping(folder: Path) -> Texts:
    """Chinese shop reviews, good or bad: 50,150 unlabeled, 6,000 to draw from, 4,000 tested."""
    parts = _reviews("online_shopping_10_cats")
    unlabeled = write(folder / "unlabeled.jsonl", parts["train"])
    train = write(folder / "train.jsonl", parts["train"][:6000])
    test = write(folder / "test.jsonl", parts["test"][:4000])
    return Texts([unlabeled], train, test, ["20", "100", "500", "2000"])


def sts(folder: Path) -> Texts:
    """English pairs of sentences with scores; the training sentences are the unlabeled ones."""
    return _pairs("sts_en", "stsb", folder)


def sts_zh(folder: Path) -> Texts:
    """The same in Chinese."""
    return _pairs("sts_zh", "cnsd_stsb", folder)


def _pairs(name: str, stem: str, folder: Path) -> Texts:
    train, test = (str(data(name, f"{stem}_{part}.jsonl")) for part in ("train", "test"))
    with open(train, encoding="utf-8") as opened:
        pairs = [json.loads(line) for line in opened]
    sentences = dict.fromkeys(pair[side] for pair in pairs for side in ("s1", "s2"))
    rows = (json.dumps({"text": sentence}) + "\n" for sentence in sentences)
    return Texts([write(folder / "sentences.jsonl", rows)], train, test)


SETS: dict[str, Callable[[Path], Texts]] = {
    each.__name__: each
    for each in (banking77, phrasebank, imdb, imdb_whole, hotels, shopping, sts, sts_zh)
}


def main() -> None:
    """Pre-train and evaluate on each set, and print a row for each number of labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--start", default="auto")
    parser.add_argument("--published", nargs="+", default=["auto"], help="off auto: both, in turn")
    parser.add_argument("--budget", default="5min")
    parser.add_argument("--labels", nargs="+")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    announce(f"Every set of texts, {options.budget}, start {options.start}")
    show("set", "labels", "ours", "best alternative", "difference [95%]", "")
    show(*["---"] * 6)
    for name in options.sets:
        with tempfile.TemporaryDirectory() as scratch:
            measure(name, Path(scratch), options)


def measure(name: str, scratch: Path, options: argparse.Namespace) -> None:
    """Pre-train on one set and evaluate."""
    import headstart as hs

    texts = SETS[name](scratch)
    run = hs.pretrain(
        *texts.sources,
        out=str(scratch / "run"),
        budget=options.budget,
        start=options.start,
        seed=options.seed,
        tracker="none",
        **texts.options,
    )
    # Of scored pairs those for training choose among candidates, and nothing else.
    asked: dict[str, Any] = {"train": texts.train, "test": texts.test}
    if texts.labels:
        asked |= {"labels": options.labels or texts.labels, "seeds": options.draws}
    else:
        asked["task"] = "similarity"
    plan = run.resolved["plan"]
    print(f"\n{name}: {plan['objectives']} on {plan['encoder']}, {run.resolved['steps']} steps")
    for published in options.published:
        report: Any = run.evaluate(seed=options.seed, published=[published], **asked)
        print(f"published encoders: {published}")
        tell(name, report)


def tell(name: str, report: Any) -> None:
    """Print the rows of one evaluation, its verdict, and the score of everything compared."""
    from headstart.evaluation.taken import taken_with
    from headstart.evaluation.verdict import alternative, points, score

    for gain in report.gains:
        metric, change = gain.metric, gain.difference
        bounds = [points(value, metric) for value in (change.mean, change.low, change.high)]
        show(
            name,
            gain.name,
            score(gain.ours.mean, metric) + taken_with(gain.ours),
            f"{score(gain.best.mean, metric)} ({alternative(gain.best)})",
            "{} [{}, {}]".format(*bounds),
            {1: "yes", -1: "no", 0: "not clear"}[gain.sign],
        )
    print("\n", report, "\n", sep="")
    for outcome in report.results.outcomes:
        metric = report.results.metric
        shown = score(outcome.mean, metric)
        print(f"  {outcome.candidate:32} {outcome.probe:28} {outcome.labels:>7,} {shown}")
    print(flush=True)


if __name__ == "__main__":
    main()
