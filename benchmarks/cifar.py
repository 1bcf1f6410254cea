"""CIFAR-10 after 15 minutes: what the default for pictures is worth with few labels.

Pre-trained on the 50,000 training pictures without labels, with nothing chosen but the budget.
Then ``headstart evaluate`` with 10, 100 and 1,000 labels a class against raw pixels, the untrained
encoder and (with ``--from-scratch``) the same network on the labels alone; and the weighted
nearest neighbours (k = 200) of the last checkpoint with all training pictures as the bank.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from setting import announce, data


def main() -> None:
    """Pre-train once a seed, evaluate, and print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="15min")
    parser.add_argument("--objective", default="auto")
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--from-scratch", action="store_true")
    options = parser.parse_args()
    announce(f"CIFAR-10, {options.budget}, {options.objective} on {options.encoder}")
    import headstart as hs

    stored = data("cifar10", "cifar10_jpeg.npz")
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(options.seeds):
            run = hs.pretrain(
                f"{stored}#train",
                out=str(Path(scratch, f"seed{seed}")),
                budget=options.budget,
                objective=options.objective,
                encoder=options.encoder,
                seed=seed,
            )
            report = run.evaluate(
                f"{stored}#train",
                test=f"{stored}#test",
                labels=["100", "1000", "10000", "all"],
                from_scratch=options.from_scratch,
                seed=seed,
            )
            plan: Any = run.resolved["plan"]
            print(f"seed {seed}: {plan['objectives']} on {plan['encoder']}", report, sep="\n")
            for score in report.summary()["scores"]:
                low, high = (100 * edge for edge in score["accuracy_interval"])
                print(
                    f"  {score['contender']:14} {score['probe']:20} {score['labels']:>6} "
                    f"{100 * score['accuracy']:.1f} [{low:.1f}, {high:.1f}]",
                    flush=True,
                )


if __name__ == "__main__":
    main()
