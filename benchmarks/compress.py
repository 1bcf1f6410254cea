"""What a run loses that is compressed to a quarter of its time, on labels that nothing has seen.

A classifier of banking77's 77 intents on all-MiniLM-L6-v2, and one of CIFAR-10 on `plain`. Beside
the candidates of `headstart compress`, which learn, stand two that are free: the original in
8 bits, and the same smaller networks before they have learned anything.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from setting import announce, data, minilm

import headstart as hs
from headstart.deployment.compressing.quality import quality
from headstart.deployment.exporting.export import head_of
from headstart.encoders.features import features
from headstart.encoders.opening import OpenedEncoder
from headstart.errors import HeadstartError

QUIET: dict[str, Any] = {"quiet": True}


def unlearned(run: hs.Run, held: str, most: int) -> None:
    """Print the accuracy of the smaller networks as they begin."""
    from headstart.config import SourceOptions

    opened = OpenedEncoder(run.folder)
    records = opened.read([held], SourceOptions(), lambda line: None)
    records = records.select(range(0, len(records), max(1, len(records) // most)))
    labels, head = [str(each) for each in records["label"]], head_of(run, "auto")
    measure = None
    for name, encoder in [("the original", opened.encoder), *opened.encoder.smaller()]:
        vectors = features(encoder, opened.processor, records, length=opened.length, bf16=False)
        measure = measure or quality(vectors, head, labels, 0)
        print(f"  before it learns, {name}: {measure.of(vectors):.1%}", flush=True)


def compressed(run: hs.Run, sources: list[str], held: str, folder: Path, given: Any) -> None:
    """Print every candidate, and what is taken at four times the speed within a point."""
    options = {"held_out": held, "budget": given.budget, "judged": given.judged}
    out = folder / f"{run.folder.name}-small"
    try:
        found = run.compress(*sources, target="4x", loss=1, out=str(out), **options, **QUIET)
        print(found, flush=True)
    except HeadstartError as refused:
        print(f"  {refused}", flush=True)
        found = run.compress(*sources, target="1.01x", loss=100, out=str(out), **options, **QUIET)
        print(found, flush=True)


def texts(folder: Path, given: Any) -> None:
    """Measure a classifier of short questions."""
    train, test = (str(data("banking77", f"{part}.jsonl")) for part in ("train", "test"))
    options: dict[str, Any] = {"budget": given.tuning, "alternatives": False, "tracker": "none"}
    run = hs.finetune(minilm(), train=train, out=str(folder / "banking"), **options, **QUIET)
    unlearned(run, test, given.judged)
    compressed(run, [train], test, folder, given)


def pictures(folder: Path, given: Any) -> None:
    """Measure a classifier of pictures of 32 pixels."""
    source = str(data("cifar10", "cifar10_jpeg.npz"))
    train, test = f"{source}#train", f"{source}#test"
    shape: dict[str, Any] = {"encoder": "plain", "length": 32, "start": "none", "tracker": "none"}
    begun = hs.pretrain(train, out=str(folder / "begun"), budget=given.begin, **shape, **QUIET)
    options: dict[str, Any] = {"budget": given.tuning, "alternatives": False, "tracker": "none"}
    run = hs.finetune(begun, train=train, out=str(folder / "cifar"), **options, **QUIET)
    unlearned(run, test, given.judged)
    compressed(run, [train], test, folder, given)


def main() -> None:
    """Run the parts that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", default=["texts", "pictures"])
    parser.add_argument("--tuning", default="600steps", help="budget of the fine-tuning")
    parser.add_argument("--begin", default="100steps", help="budget of the pre-training of plain")
    parser.add_argument("--budget", default="600steps", help="budget of each candidate")
    parser.add_argument("--judged", type=int, default=1500)
    given = parser.parse_args()
    announce("What a quarter of the time costs")
    with tempfile.TemporaryDirectory() as folder:
        for part in given.parts:
            print(part, flush=True)
            {"texts": texts, "pictures": pictures}[part](Path(folder), given)


if __name__ == "__main__":
    main()
