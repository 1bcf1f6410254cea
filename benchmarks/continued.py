"""Does going on with pre-training do harm? From MiniLM on IMDb texts, guarded and not.

Each objective goes on from the same start for the same budget in three ways: with the safeguards
that are on by default (no labels), with a probe on 500 labels besides, and with all of them off.
Start and end are compared by a linear probe on frozen features with 100 and with 1,000 labels, the
same draws for both, and by how the cosine ranks the pairs of STS-B. Labels are drawn from the
training texts, of which others are held out and tested on; with ``--final`` the test texts are.
The 500 labels of the second way are neither drawn nor tested on. Intervals of 95% are over the
draws of labels (paired t) and over the pairs (paired bootstrap); what is called worse is so with a
correction for all comparisons of its way (Bonferroni).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from scipy import stats
from setting import announce, data, minilm

LABELS = (100, 1000)
#: The options of each way; the probe's file is added to the second.
WAYS: dict[str, dict[str, Any]] = {
    "guarded": {},
    "guarded, 500 labels": {},
    "off": {"safeguards": "off"},
}


@dataclass(frozen=True)
class Samples:
    """What start and end are measured on: texts to draw labels from, to test on, and pairs."""

    drawn: Dataset
    tested: Dataset
    pairs: tuple[Dataset, Dataset]
    scores: np.ndarray


@dataclass(frozen=True)
class Measured:
    """Accuracies in % of each draw, by number of labels; the cosine of each pair."""

    accuracies: dict[int, np.ndarray]
    cosines: np.ndarray


def samples(folder: Path, options: argparse.Namespace) -> Samples:
    """Part the labeled texts, and write those that guard to ``folder``."""
    rows = _texts("train")
    order = np.random.default_rng(0).permutation(len(rows))
    guards, held, drawn = np.split(order, [500, 500 + options.tested])
    with open(folder / "labeled.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(rows[index]) + "\n" for index in guards)
    tested = [rows[index] for index in held]
    if options.final:
        rows_of_test = _texts("test")
        order = np.random.default_rng(0).permutation(len(rows_of_test))
        tested = [rows_of_test[index] for index in order[: options.tested]]
    lines = data("sts_en", f"stsb_{'test' if options.final else 'dev'}.jsonl").read_text("utf-8")
    pairs = [json.loads(line) for line in lines.splitlines()]
    return Samples(
        drawn=Dataset.from_list([rows[index] for index in drawn[: options.drawn]]),
        tested=Dataset.from_list(tested),
        pairs=tuple(Dataset.from_dict({"text": [p[side] for p in pairs]}) for side in ("s1", "s2")),
        scores=np.array([pair["score"] for pair in pairs]),
    )


def _texts(part: str) -> list[dict[str, Any]]:
    with gzip.open(data("imdb", f"{part}.jsonl.gz"), "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [{"text": row["text"], "label": row["label"]} for row in rows]


def unlabeled(folder: Path, count: int) -> str:
    """Return the unlabeled texts, the first so many of them where not all are wanted."""
    source = data("imdb", "unsup.jsonl.gz")
    if not count:
        return str(source)
    with gzip.open(source, "rt", encoding="utf-8") as file:
        some = [line for _, line in zip(range(count), file, strict=False)]
    (folder / "texts.jsonl").write_text("".join(some), encoding="utf-8")
    return str(folder / "texts.jsonl")


def measure(encoder: str, on: Samples, length: int, draws: int) -> Measured:
    """Measure the frozen features of an encoder folder."""
    from headstart.data.vectors import unit_length
    from headstart.encoders.features import features
    from headstart.encoders.opening import encoder_folder, open_encoder, open_processor
    from headstart.evaluation.heads.logistic import LogisticRegression

    folder = encoder_folder(encoder)
    network, processor = open_encoder(folder), open_processor(folder)

    def vectors(records: Dataset) -> np.ndarray:
        return features(network, processor, records.select_columns("text"), length=length)

    drawn, tested = vectors(on.drawn), vectors(on.tested)
    labels, truth = np.array(on.drawn["label"]), np.array(on.tested["label"])
    head = LogisticRegression(drawn)
    accuracies = {}
    for count in (count for count in LABELS if count <= len(labels)):
        found = []
        for draw in range(draws):
            random = np.random.default_rng(draw)
            chosen = random.permutation(len(labels))[:count]
            guesses = head.fit(drawn[chosen], labels[chosen], random).predict(tested)
            found.append(100 * float((guesses == truth).mean()))
        accuracies[count] = np.array(found)
    first, second = (unit_length(vectors(side)) for side in on.pairs)
    return Measured(accuracies, (first * second).sum(1))


@dataclass(frozen=True)
class Change:
    """What became of one measure: the start, the difference with its interval, and the verdict."""

    start: float
    difference: float
    low: float
    high: float
    worse: bool

    def __str__(self) -> str:
        end = self.start + self.difference
        interval = f"{self.difference:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"
        return f"{self.start:.1f} -> {end:.1f}, {interval}{'  WORSE' if self.worse else ''}"


def of_draws(end: np.ndarray, start: np.ndarray, level: float) -> Change:
    """Compare accuracies on the same draws of labels."""
    change = end - start
    error = float(stats.sem(change)) if len(change) > 1 else 0.0
    half = error * float(stats.t.ppf(0.975, max(1, len(change) - 1)))
    surely = error * float(stats.t.ppf(1 - level / 2, max(1, len(change) - 1)))
    mean = float(change.mean())
    return Change(float(start.mean()), mean, mean - half, mean + half, mean + surely < 0)


def of_pairs(end: np.ndarray, start: np.ndarray, scores: np.ndarray, level: float) -> Change:
    """Compare Spearman correlations of cosines with scores, times 100, by bootstrap."""

    def correlation(cosines: np.ndarray, indices: np.ndarray) -> float:
        return 100 * float(stats.spearmanr(cosines[indices], scores[indices])[0])

    random, count = np.random.default_rng(0), len(scores)
    drawn = []
    for _ in range(2000):
        indices = random.integers(count, size=count)
        drawn.append(correlation(end, indices) - correlation(start, indices))
    low, high, surely = map(float, np.quantile(drawn, [0.025, 0.975, 1 - level / 2]))
    begun = correlation(start, np.arange(count))
    return Change(begun, correlation(end, np.arange(count)) - begun, low, high, surely < 0)


def changes(
    end: Measured, start: Measured, scores: np.ndarray, comparisons: int
) -> dict[str, Change]:
    """Return what became of each measure; worse is what is so at 5% for all comparisons."""
    level = 0.05 / comparisons
    found = {
        f"{count} labels": of_draws(end.accuracies[count], begun, level)
        for count, begun in start.accuracies.items()
    }
    return {**found, "STS-B": of_pairs(end.cosines, start.cosines, scores, level)}


def main() -> None:
    """Go on with each objective in each way, and print what became of the start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objectives", nargs="+", default=["mlm", "simcse", "tsdae", "contrast"])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--budget", default="3min", help="of each run")
    parser.add_argument("--start", help="folder to go on from; MiniLM by default")
    parser.add_argument("--length", type=int, default=128, help="tokens a text, in all of it")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--texts", type=int, default=0, help="unlabeled texts; 0 is all of them")
    parser.add_argument("--drawn", type=int, default=4000, help="texts that labels are drawn from")
    parser.add_argument("--tested", type=int, default=5000, help="texts to test on")
    parser.add_argument("--draws", type=int, default=20, help="of labels")
    parser.add_argument("--seed", type=int, default=0, help="of the pre-training")
    parser.add_argument("--final", action="store_true", help="test on the test texts and pairs")
    parser.add_argument("--set", nargs="+", default=[], help="further options, as KEY=VALUE")
    parser.add_argument("--keep", help="folder to keep the runs in")
    options = parser.parse_args()
    # The tables go to a file more often than not, and a run takes minutes.
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    announce(f"Going on from {options.start or 'MiniLM'}: {options.budget} each")
    import headstart as hs

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        on = samples(folder, options)
        source, start = unlabeled(folder, options.texts), options.start or str(minilm())
        before = measure(start, on, options.length, options.draws)
        harmed: dict[str, list[str]] = {way: [] for way in options.ways}
        for objective in options.objectives:
            for way in options.ways:
                probe = {"probe": str(folder / "labeled.jsonl")} if "labels" in way else {}
                run = hs.pretrain(
                    source,
                    encoder=start,
                    objective=objective,
                    budget=options.budget,
                    length=options.length,
                    batch_size=options.batch_size,
                    seed=options.seed,
                    settings=options.set,
                    tracker="none",
                    out=str(Path(options.keep or scratch, f"{objective}, {way}")),
                    **WAYS[way],
                    **probe,
                )
                after = measure(str(run.folder), on, options.length, options.draws)
                print(f"\n{objective}, {way}: {run.resolved['steps']} steps")
                if "kept" in run.resolved:
                    print(f"  {run.resolved['kept']}")
                comparisons = (len(before.accuracies) + 1) * len(options.objectives)
                for name, change in changes(after, before, on.scores, comparisons).items():
                    harmed[way] += [f"{objective} ({name})"] if change.worse else []
                    print(f"  {name:>12}: {change}", flush=True)
        for way, names in harmed.items():
            print(f"\n{way}: {'worse than the start: ' + ', '.join(names) if names else 'no harm'}")


if __name__ == "__main__":
    main()
