"""Objective x result on IMDb: every objective for text against its untrained encoder.

Each is pre-trained for five minutes on 75,000 texts without labels (50,000 unlabeled ones and the
training texts), on one small encoder of 128 tokens a row; what needs a second stream or a decoder
has a network of its own kind and the same size, and ``light``, which has no rows, reads whole
texts. ``headstart evaluate`` judges frozen features on 100 and on 1,000 labels, five draws each, on
8,000 test texts: accuracy in % with the gain over the same encoder untrained and its 95% interval.
The best simple alternative stands beside, and above what all begin with: token vectors from counts,
in an encoder that has learned nothing else.

Five minutes are turned into steps once, at the start. On a machine that does other things besides,
give the steps that an idle one takes: ``--steps FILE`` names a JSON object from objective to steps.

``--best NAME --budget 60min`` pre-trains one objective: its verdict from 10 labels to all.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from judging import change, score, show
from setting import announce, data
from text_sets import lines

#: 3.2 million parameters, and as many again in the table of 16,384 tokens.
SIZE = {"layers": 4, "width": 256, "heads": 4}
LENGTH = 128
FEW, EVERY = ["100", "1000"], ["10", "100", "250", "500", "1000", "all"]
#: Training texts held out as the test of ``--development``.
HELD = 5000
#: Training texts that few labels are drawn from, and test texts that the table is of.
DRAWN, TESTED = 6000, 8000
#: What the objectives begin with: token vectors from counts, and no step to speak of.
START = "counts alone"


def objectives() -> list[str]:
    """Return every objective that is made for text."""
    from headstart.modalities.text.defaults import ENCODER_FOR

    return [*ENCODER_FOR, "contrast"]


def network(name: str, wanted: str) -> str:
    """Return ``wanted``, or the encoder of the same size that can do what an objective needs."""
    from headstart.modalities.text.modality import TextModality
    from headstart.objectives import OBJECTIVES
    from headstart.objectives.needs import encoders_for

    able = encoders_for(OBJECTIVES[name].needs, TextModality())
    return next(kind for kind in (wanted, "bert", "xlnet", "t5") if kind in able)


def files(
    folder: Path, development: bool, most: int | None, everything: bool = False
) -> dict[str, Any]:
    """Return the unlabeled sources, and the labeled files ``train`` and ``test``.

    Args:
        folder: where parts of the data are written.
        development: leave the test texts alone, and test on training texts held out.
        most: lines of each file at most.
        everything: draw labels from all training texts, and test on all test texts.
    """
    parts = {name: data("imdb", f"{name}.jsonl.gz") for name in ("unsup", "train", "test")}
    sources = [str(parts["unsup"]), str(parts["train"])]
    if not (development or most or everything):
        for name, count in (("train", DRAWN), ("test", TESTED)):
            rows = list(lines(parts[name]))
            drawn = np.random.default_rng(0).permutation(len(rows))[:count]
            parts[name] = folder / f"{name}.jsonl"
            parts[name].write_text("".join(rows[index] for index in drawn), encoding="utf-8")
    if development or most:
        texts = {name: list(lines(file)) for name, file in parts.items()}
        rng = np.random.default_rng(0)
        for name, rows in texts.items():
            texts[name] = [rows[index] for index in rng.permutation(len(rows))]
        if development:
            texts["test"], texts["train"] = texts["train"][:HELD], texts["train"][HELD:]
        for name, rows in texts.items():
            parts[name] = folder / f"{name}.jsonl"
            parts[name].write_text("".join(rows[:most]), encoding="utf-8")
        sources = [str(parts["unsup"]), str(parts["train"])]
    return {"sources": sources, "train": str(parts["train"]), "test": str(parts["test"])}


def main() -> None:
    """Train and judge one objective after the other, printing a row of the table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="objectives; all that are for text by default")
    parser.add_argument("--best", metavar="NAME", help="one objective, from 10 labels to all")
    parser.add_argument("--budget", default="5min")
    parser.add_argument("--steps", type=Path, help="JSON: steps of each objective, as measured")
    parser.add_argument("--encoder", default="modernbert", help="of those that it can serve")
    parser.add_argument("--development", action="store_true", help="spare the test texts")
    parser.add_argument("--records", type=int, help="of each file at most, for a trial")
    parser.add_argument("--set", nargs="*", default=[], dest="settings", help="as of pretrain")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    announce(f"Objective x result, IMDb, {options.budget} each, seed {options.seed}")
    import headstart as hs

    labels = EVERY if options.best else FEW
    steps = json.loads(options.steps.read_text()) if options.steps else {}
    with tempfile.TemporaryDirectory() as scratch:
        parts = files(
            Path(scratch), options.development, options.records, everything=bool(options.best)
        )

        def judged(run: Any) -> Any:
            files = {"train": parts["train"], "test": parts["test"]}
            return run.evaluate(**files, labels=labels, seed=options.seed)

        def pretrained(name: str) -> Any:
            task = "mlm" if name == START else name
            kind = network(task, options.encoder)
            budget = f"{steps[name]}steps" if name in steps else options.budget
            still = ["optimizer.learning_rate=1e-9"] if name == START else []
            return hs.pretrain(
                *parts["sources"],
                out=str(Path(scratch, name)),
                budget="1steps" if name == START else budget,
                objective=task,
                encoder=kind,
                encoder_options={} if kind == "light" else SIZE,
                length=None if kind == "light" else LENGTH,
                tracker="none",
                seed=options.seed,
                settings=[*options.settings, *still],
            )

        if options.best:
            print(judged(pretrained(options.best)))
            return
        show("objective", "encoder", "steps", *(f"{n} | gain | best alternative" for n in labels))
        show(*["---"] * (3 + 3 * len(labels)))
        for name in options.names or [START, *objectives()]:
            run = pretrained(name)
            results = judged(run).results
            cells = [" | ".join(columns(results, count)) for count in results.counts]
            show(name, run.resolved["plan"]["encoder"], f"{run.resolved['steps']:,}", *cells)


def columns(results: Any, labels: int) -> list[str]:
    """Return the accuracy, the gain over untrained, and the best alternative with its accuracy."""
    best = max(results.alternatives(labels), key=results.validation)
    accuracy = 100 * score(results, "pre-trained", labels).mean
    return [
        f"{accuracy:.1f}",
        change(results, labels, "untrained"),
        f"{best.candidate} {100 * best.mean:.1f}",
    ]


if __name__ == "__main__":
    main()
