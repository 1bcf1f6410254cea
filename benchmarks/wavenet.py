"""WaveNet on spoken digits: bits a sample beside histograms, and what a cache is worth.

It learns from the 2,700 training clips of the official split and is tested on the 300 others, as
``headstart evaluate --task bits_a_sample`` does: mu-law codes of 256 classes of 8,000 samples a
second, where 1 is the full scale of a file and no clip is made louder or quieter. Then one
recording is written with the cache and by computing again all that a vector knows of, in turn, with
the same draws; both must be the same. The latter begins with little to compute, which is counted
for it.

    python benchmarks/wavenet.py --steps 2400
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from setting import announce, data


def divided(folder: Path) -> tuple[Path, Path]:
    """Copy the clips of the official split into folders, and return those of training and test."""
    root = data("fsdd")
    with open(root / "meta.csv", newline="") as file:
        for row in csv.DictReader(file):
            (folder / row["split"]).mkdir(exist_ok=True)
            shutil.copy(root / row["file"], folder / row["split"])
    return folder / "train", folder / "test"


def writing(run: Path, size: int, turns: int) -> None:
    """Print samples a second with and without a cache, and their ratio."""
    from headstart.downstream.audio.composing import compose
    from headstart.encoders.opening import open_encoder
    from headstart.encoders.wavenet import WaveNet
    from headstart.objectives.opening import open_token_head
    from headstart.run import RunFolder

    encoder = open_encoder(run)
    assert isinstance(encoder, WaveNet)
    encoder.eval()
    head = open_token_head(RunFolder.open(run), encoder)
    ratios, speeds = [], []
    for turn in range(turns):
        draws = np.random.default_rng(turn).random((1, size))
        took, codes = [], []
        for cache in (True, False):
            started = time.process_time()
            codes.append(compose(encoder, head, size, draws, cache=cache))
            took.append(size / (time.process_time() - started))
        assert np.array_equal(codes[0], codes[1]), "the cache changes what is written"
        speeds.append(took)
        ratios.append(took[0] / took[1])
        print(f"{took[0]:,.0f} samples a core-second with a cache, {took[1]:,.0f} without")
    many = np.random.default_rng(0).random((64, 500))
    started = time.process_time()
    compose(encoder, head, 500, many)
    side = many.size / (time.process_time() - started)
    print(f"{side:,.0f} samples a core-second of 64 recordings side by side")
    print(f"reach {encoder.reach} samples, the same codes each time", end="; ")
    print(f"ratio {statistics.median(ratios):.0f} (median of turns)")


def main() -> None:
    """Measure, and print lines for the README."""
    import headstart as hs
    from headstart.evaluation.report.cost import cost_of
    from headstart.run import RunFolder

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--run", help="a finished run of the training clips, to measure it alone")
    parser.add_argument("--size", type=int, default=700, help="samples to write in a turn")
    parser.add_argument("--turns", type=int, default=2)
    chosen = parser.parse_args()
    announce("WaveNet on spoken digits, official split")
    with tempfile.TemporaryDirectory() as scratch:
        train, test = divided(Path(scratch))
        place = Path(chosen.run or Path(scratch, "run"))
        if not chosen.run:
            hs.pretrain(
                str(train),
                out=str(place),
                objective="clm",
                start="none",
                budget=f"{chosen.steps}steps",
                tracker="none",
            )
        writing(place, chosen.size, chosen.turns)
        out = str(Path(scratch, "bits.html"))
        print(hs.evaluate(str(place), task="bits_a_sample", train=str(test), out=out))
        run = RunFolder.open(place)
        print(cost_of(run, run.metrics()))


if __name__ == "__main__":
    main()
