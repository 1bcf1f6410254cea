"""How high does the pre-trained network rank what users took next, and what does it add?

The commands of a user: `pretrain` with its defaults for interactions (or the options given), then
`evaluate`: leave-one-out, all items, seen ones removed, everything fitted on the training part. The
network is the last checkpoint. Beside it stand the tuned alternatives of recommendation.py, and the
blend of both with the weights that what validates chose. The interval is a bootstrap over users.

    python benchmarks/recommendation_networks.py --sets beauty toys --seeds 3 --budget 30min
    python benchmarks/recommendation_networks.py --sets movies --hold-out time
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from setting import announce, data

import headstart as hs

#: The sources of each set, and the columns of files without a header.
SETS: dict[str, tuple[str, ...]] = {
    "beauty": ("amazon_seq", "Beauty.txt.gz"),
    "toys": ("amazon_seq", "Toys_and_Games.txt.gz"),
    "movies": ("ml-100k", "u.data"),
}


def source(name: str, folder: Path) -> str:
    """Return the file of a set; that of the movies gets the header it lacks."""
    path = data(*SETS[name])
    if name != "movies":
        return str(path)
    named = folder / "movies.tsv"
    named.write_text("user_id\titem_id\trating\ttimestamp\n" + path.read_text(encoding="utf-8"))
    return str(named)


def run(name: str, options: argparse.Namespace, folder: Path) -> None:
    """Pre-train and evaluate with each seed, and print a row for each candidate."""
    file = source(name, folder)
    settings = {"interactions": {"hold_out": options.hold_out}}
    for seed in range(options.seeds):
        out = (options.keep or folder) / f"{name}-{options.hold_out}-{seed}"
        start = time.monotonic()
        made = hs.pretrain(
            file,
            modality="interactions",
            modality_options=settings,
            out=str(out),
            budget=options.budget,
            seed=seed,
            settings=options.set,
        )
        trained = time.monotonic() - start
        found: dict[str, Any] = made.evaluate(alternatives_budget=options.alternatives).to_dict()
        judged = time.monotonic() - start - trained
        print(
            f"\n{name}, held out: {options.hold_out}, seed {seed}: pre-trained in {trained:.0f} s, "
            f"judged in {judged:.0f} s"
        )
        for each in found["candidates"]:
            low, high = each["interval"]["low"], each["interval"]["high"]
            print(
                f"    {each['kind']:12}{each['name'][:48]:50}{each['validation_ndcg@10']:8.4f}"
                f"{each['NDCG@10']:9.4f} [{low:.4f}, {high:.4f}]{each['HR@10']:8.4f}",
                flush=True,
            )
        print(f"    {found['verdict']}", flush=True)
        if options.keep is None:
            shutil.rmtree(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", default="30min", help="of one pre-training")
    parser.add_argument("--alternatives", default="2min", help="time of the alternatives' tuning")
    parser.add_argument("--hold-out", choices=["last", "time"], default="last")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path, help="folder in which the runs stay")
    given = parser.parse_args()
    announce("Networks that rank what comes next")
    with tempfile.TemporaryDirectory() as scratch:
        for one in given.sets:
            run(one, given, Path(scratch))
