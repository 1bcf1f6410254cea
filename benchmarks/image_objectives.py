"""Objective x result on CIFAR-10: every objective for pictures against its untrained encoder.

Each is pre-trained on the 50,000 training pictures for three minutes, on the encoder that suits
it, and judged by the weighted nearest neighbours (k = 200, all training pictures as the bank) and
by a logistic regression on 1,000 labels a class, on the 10,000 test pictures.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from setting import announce, data


def objectives() -> list[str]:
    """Return every objective that pictures can serve."""
    from headstart.modalities.image import ImageProcessor
    from headstart.objectives import OBJECTIVES

    offered = ImageProcessor(32).provides | {"patches", "grid", "pixels_in", "dropout"}
    return [name for name in OBJECTIVES if OBJECTIVES[name].needs <= offered]


def main() -> None:
    """Train and judge one objective after the other, printing a row of the table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="objectives; all by default")
    parser.add_argument("--budget", default="3min")
    parser.add_argument("--encoder", default="auto")
    options = parser.parse_args()
    announce(f"Objective x result, CIFAR-10, {options.budget} each")
    import headstart as hs

    stored = data("cifar10", "cifar10_jpeg.npz")
    print("| objective | encoder | steps | kNN | untrained | linear | untrained |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.names or objectives():
            extra: dict[str, Any] = {}
            if name == "distill":
                continue  # it needs a teacher, and the best one here is another row
            run = hs.pretrain(
                f"{stored}#train",
                out=str(Path(scratch, name)),
                budget=options.budget,
                objective=name,
                encoder=options.encoder,
                tracker="none",
                **extra,
            )
            report = run.evaluate(f"{stored}#train", test=f"{stored}#test", labels=["10000", "all"])
            found = {
                (score["contender"], score["probe"], score["labels"]): 100 * score["accuracy"]
                for score in report.summary()["scores"]
            }
            cells = [
                f"{found[who, probe, labels]:.1f}"
                for probe, labels in (("kNN", 50_000), ("logistic regression", 10_000))
                for who in ("pre-trained", "untrained")
            ]
            plan = run.resolved["plan"]
            print(
                f"| {name} | {plan['encoder']} | {run.resolved['steps']:,} | "
                + " | ".join(cells)
                + " |",
                flush=True,
            )


if __name__ == "__main__":
    main()
