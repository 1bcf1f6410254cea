"""CIFAR-10 after 15 minutes: what the default for pictures is worth with few labels.

Pre-trained on the 50,000 training pictures without labels, with nothing chosen but the budget.
Then the weighted nearest neighbours (k = 200) of the last checkpoint with all training pictures as
the bank, and ``headstart evaluate`` with 10, 100 and 1,000 labels a class against raw pixels, the
untrained encoder and the same network from scratch on those labels.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from image_objectives import extracted
from setting import announce, data
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.encoders import Features


class Pixels(nn.Module):
    """The pictures themselves as features."""

    width = 3 * 32 * 32

    def forward(self, batch: Batch) -> Features:
        """Return the pixels (B,3072) between -1 and 1."""
        flat = self.pool(batch)
        return Features(flat[:, None], torch.ones(len(flat), 1, dtype=torch.bool), flat)

    def pool(self, batch: Batch) -> Tensor:
        """Return the same pixels."""
        return batch["pixels"].flatten(1).float() / 127.5 - 1


def neighbours(run: Any, seed: int) -> dict[str, float]:
    """Return the accuracy in % of the nearest neighbours among all training pictures."""
    from headstart.encoders.opening import open_encoder, open_processor, read_note
    from headstart.evaluation.frozen_encoders import untrained
    from headstart.evaluation.heads.neighbours import NearestNeighbours

    folder = run.require_encoder()
    encoder, processor = open_encoder(folder), open_processor(folder)
    length = int(read_note(folder)["length"])
    sides = {
        "headstart": (encoder, length),
        "untrained": (untrained(encoder, seed), length),
        "raw pixels": (Pixels(), 32),
    }
    found = {}
    for name, (side, pixels) in sides.items():
        vectors, classes = extracted(side, processor, pixels)
        head = NearestNeighbours(vectors["train"])
        fitted = head.fit(vectors["train"], classes["train"], np.random.default_rng(0))
        voted = fitted.predict(vectors["test"])
        found[name] = 100 * float((voted == classes["test"]).mean())
    return found


def main() -> None:
    """Pre-train once a seed, evaluate, and print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="15min")
    parser.add_argument("--objective", default="auto")
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--from-scratch", default="on", choices=["on", "off"])
    parser.add_argument("--published", default="auto", help="off leaves published encoders out")
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
                start="none",
                seed=seed,
            )
            for side, accuracy in neighbours(run, seed).items():
                print(f"seed {seed}: kNN (k = 200), all as the bank: {side:10} {accuracy:.1f}")
            report = run.evaluate(
                f"{stored}#train",
                test=f"{stored}#test",
                labels=["100", "1000", "10000"],
                from_scratch=options.from_scratch,
                published=options.published,
                seed=seed,
            )
            plan: Any = run.resolved["plan"]
            print(f"seed {seed}: {plan['objectives']} on {plan['encoder']}", report, sep="\n")
            for score in report.summary()["scores"]:
                low, high = (100 * edge for edge in score["accuracy_interval"])
                print(
                    f"  {score['candidate']:14} {score['probe']:20} {score['labels']:>6} "
                    f"{100 * score['accuracy']:.1f} [{low:.1f}, {high:.1f}]",
                    flush=True,
                )


if __name__ == "__main__":
    main()
