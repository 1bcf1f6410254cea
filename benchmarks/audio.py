"""Spoken digits with ten labels each: is pre-training worth more than the simple alternatives?

The default command on the 2,700 training clips of the Free Spoken Digit Dataset, or on telephone
prompts of another speaker, beside the alternatives of recordings and the same network untrained.
Two splits: the official one, whose test clips are other takes of the same six speakers; and by
speaker, where the labels come from five speakers and the official test clips of the sixth are
tested (his training clips are in the
pre-training, without labels).
Every head is tuned inside the drawn labels. Intervals are over draws (t distribution, 95%).

    python benchmarks/audio.py --budget 150steps --draws 5
    python benchmarks/audio.py --on prompts --budget 150steps
    python benchmarks/audio.py --run runs/digits           # an encoder that is there already
    python benchmarks/audio.py --start resemblyzer         # a published one, with nothing trained
    python benchmarks/audio.py --objectives simclr byol --budget 60steps   # each against untrained
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from setting import announce, data

#: Labels of a digit.
LABELS = 10


@dataclass
class Features:
    """One contender: a vector a clip, the heads that are fitted on it, and its blocks."""

    name: str
    rows: np.ndarray
    heads: tuple[str, ...]
    blocks: tuple[tuple[str, int], ...] = ()
    square: bool = False


def digits() -> tuple[Any, list[dict[str, str]]]:
    """Return all clips as records, those of training first, and the rows of their table."""
    from datasets import Dataset

    root = data("fsdd")
    with open(root / "meta.csv", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["split"] == "test")
    values = [
        {"id": row["file"], "audio": {"bytes": None, "path": str(root / row["file"])}}
        for row in rows
    ]
    return Dataset.from_list(values), rows


def prompts() -> Any:
    """Return the telephone prompts as records."""
    from datasets import Dataset

    paths = sorted(data("asterisk_prompts_en", "audio").glob("*.ogg"))
    return Dataset.from_list(
        [{"id": path.name, "audio": {"bytes": None, "path": str(path)}} for path in paths]
    )


def pretrain(records: Any, out: Path, budget: str, **options: Any) -> Path:
    """Pre-train as the command does, and return the encoder's folder."""
    import headstart as hs

    started = time.process_time()
    values = [{"audio": Path(value["path"]).read_bytes()} for value in records["audio"]]
    run = hs.pretrain(values, out=str(out), budget=budget, tracker="none", **options)
    print(f"{out.name}: {time.process_time() - started:.0f} core-seconds", flush=True)
    return Path(run.encoder)


def embedded(folder: Path, records: Any, name: str) -> list[Features]:
    """Return the vectors of an encoder, of its pre-trained part alone, and of that untrained."""
    from headstart.encoders.features import features
    from headstart.encoders.opening import OpenedEncoder
    from headstart.evaluation.frozen_encoders import untrained
    from headstart.modalities.joined import JoinedProcessor

    opened = OpenedEncoder(folder)
    encoder, found = opened.encoder, []
    parts = encoder.joined or {name: encoder}
    first = next(iter(parts.values()))
    processor = opened.processor.first
    for title, each in ((f"{name} alone", first), ("untrained", untrained(first, 0))):
        rows = features(each, processor, records, length=opened.length)
        found.append(Features(title, rows, ("logistic regression", "auto")))
    for title, each in list(parts.items())[1:]:
        if each.reads == first.reads:  # a published one; simple features stand in the alternatives
            assert isinstance(opened.processor, JoinedProcessor)
            reader = opened.processor.parts[title]
            rows = features(each, reader.processor, records, length=reader.length)
            found.append(Features(f"{title} alone", rows, ("logistic regression", "auto")))
    if encoder.joined:
        rows = features(encoder, opened.processor, records, length=opened.length)
        blocks = tuple((title, part.width) for title, part in parts.items())
        found.insert(0, Features(name, rows, ("logistic regression", "auto"), blocks))
    return found


def published(name: str, records: Any) -> list[Features]:
    """Return the vectors of a published encoder, alone and beside cepstra as a run joins them."""
    from headstart.encoders.features import features
    from headstart.encoders.joined import WEIGHTS
    from headstart.encoders.opening import OpenedEncoder
    from headstart.encoders.published import Found
    from headstart.encoders.vectors import VectorEncoder
    from headstart.modalities.opening import open_modality

    start = Found.here().named(name)
    assert start is not None, f"{name} is not on this machine"
    opened = OpenedEncoder(start.folder)
    rows = features(opened.encoder, opened.processor, records, length=opened.length)
    simple = open_modality("audio").simple(records, opened.length, 0)
    assert simple is not None
    cepstra = features(VectorEncoder(simple.width), simple, records, length=opened.length)
    blocks = ((name, rows.shape[1]), (simple.name, cepstra.shape[1]))
    both = [scaled(rows, WEIGHTS["published"]), scaled(cepstra, WEIGHTS["simple"])]
    heads = ("logistic regression", "auto")
    return [
        Features(f"{name} alone", rows, heads),
        Features(f"{name} beside {simple.name}", np.hstack(both), heads, blocks),
    ]


def scaled(rows: np.ndarray, weight: float) -> np.ndarray:
    """Return centred rows whose root mean squared length is a weight."""
    centred = rows - rows.mean(0)
    return weight * centred / np.sqrt(np.square(centred).sum(1).mean())


def alternatives(train: Any, test: Any) -> list[Features]:
    """Return the simple alternatives of recordings, fitted on the training clips."""
    from headstart.modalities.opening import open_modality

    found = open_modality("audio").baselines(None, train, test, seed=0, progress=None)
    return [
        Features(
            each.name,
            np.vstack([np.asarray(part) for part in (each.train, each.test)]),
            each.heads,
            square="DTW" in each.name,
        )
        for each in found
    ]


def accuracy(
    given: Features, head: str, known: np.ndarray, tested: np.ndarray, y: np.ndarray, draw: int
) -> float:
    """Return the accuracy on ``tested`` of a head that saw LABELS of each digit in ``known``."""
    from headstart.evaluation.heads import HEADS

    rng = np.random.default_rng(draw)
    drawn = [rng.permutation(np.flatnonzero(y[known] == c))[:LABELS] for c in np.unique(y)]
    at = np.concatenate(drawn)
    pool = given.rows[known][:, known] if given.square else given.rows[known]
    queries = given.rows[tested][:, known] if given.square else given.rows[tested]
    more = {"blocks": given.blocks} if given.blocks and head == "auto" else {}
    fitted = HEADS[head](pool, **more).fit(pool[at], y[known][at], np.random.default_rng(draw))
    return float((fitted.predict(queries) == y[tested]).mean())


def interval(values: Iterable[float]) -> str:
    """Return mean and 95% interval over draws, in percent."""
    found = 100 * np.array(list(values))
    if len(found) < 2:
        return f"{found.mean():.1f}"
    half = stats.t.ppf(0.975, len(found) - 1) * found.std(ddof=1) / len(found) ** 0.5
    return f"{found.mean():.1f} [{found.mean() - half:.1f}, {found.mean() + half:.1f}]"


def table(contenders: list[Features], rows: list[dict[str, str]], draws: int) -> None:
    """Print the accuracies of every contender and head on both splits."""
    y = np.array([int(row["label"]) for row in rows])
    speaker = np.array([row["speaker"] for row in rows])
    test = np.array([row["split"] == "test" for row in rows])
    speakers = sorted(set(speaker))
    print(f"| | head | official | by speaker | {' | '.join(speakers)} |")
    print("|---" * (4 + len(speakers)) + "|")
    for each in contenders:
        for head in each.heads:
            known, tested = np.flatnonzero(~test), np.flatnonzero(test)
            official = [accuracy(each, head, known, tested, y, n) for n in range(draws)]
            own = np.array(
                [
                    [
                        accuracy(
                            each,
                            head,
                            np.flatnonzero(~test & (speaker != name)),
                            np.flatnonzero(test & (speaker == name)),
                            y,
                            draw,
                        )
                        for name in speakers
                    ]
                    for draw in range(draws)
                ]
            )
            apart = " | ".join(f"{100 * value:.0f}" for value in own.mean(0))
            print(
                f"| {each.name} | {head} | {interval(official)} | {interval(own.mean(1))} | "
                f"{apart} |",
                flush=True,
            )


def main() -> None:
    """Measure, and print tables for the README."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--on", choices=("digits", "prompts"), default="digits")
    parser.add_argument("--budget", default="150steps")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--run", type=Path, help="a run or encoder that is there already")
    parser.add_argument("--start", default="", help="a published encoder, in place of a run")
    parser.add_argument("--objectives", nargs="*", default=[])
    parser.add_argument("--encoder", default="auto", help="of each of the objectives")
    parser.add_argument("--no-alternatives", action="store_true")
    chosen = parser.parse_args()
    announce("Spoken digits, ten labels each")
    records, rows = digits()
    count = sum(row["split"] == "train" for row in rows)
    trained, rest = records.select(range(count)), records.select(range(count, len(rows)))
    given = trained if chosen.on == "digits" else prompts()
    contenders = [] if chosen.no_alternatives else alternatives(trained, rest)
    with tempfile.TemporaryDirectory() as folder:
        if chosen.start:
            contenders += published(chosen.start, records)
        elif chosen.objectives:
            for name in chosen.objectives:
                more = {"objective": name, "encoder": chosen.encoder, "start": "none"}
                run = pretrain(given, Path(folder) / name, chosen.budget, **more)
                contenders += embedded(run, records, name)
        else:
            run = chosen.run or pretrain(given, Path(folder) / "default", chosen.budget)
            contenders += embedded(run, records, f"default, on {chosen.on}")
        table(contenders, rows, chosen.draws)


if __name__ == "__main__":
    main()
