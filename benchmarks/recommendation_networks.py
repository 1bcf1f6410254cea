"""How high does the pre-trained network rank what users took next, and what does it add?

`pretrain` with its defaults for interactions (or the options given) from several seeds, and what
`evaluate` does, with the alternatives tuned once: the held-out items by the run's own division, all
items ranked, seen ones removed, everything fitted on the training part. The network is the last
checkpoint. The blend has the weights that what validates chose. Intervals and differences to the
alternative that validates best are a bootstrap over users.

    python benchmarks/recommendation_networks.py --sets beauty toys --seeds 3 --budget 30min
    python benchmarks/recommendation_networks.py --sets movies --hold-out time
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any, cast

from setting import announce, data

import headstart as hs
from headstart.downstream.interactions.measuring import measured, tuned
from headstart.downstream.interactions.network import network_of
from headstart.downstream.interactions.ranked import RankedCandidate
from headstart.downstream.interactions.split import Division, divided
from headstart.encoders.opening import OpenedEncoder
from headstart.evaluation.background import pretraining_records
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.ranking import difference
from headstart.evaluation.ranking import measured as estimated
from headstart.modalities.interactions.options import InteractionOptions
from headstart.modalities.interactions.processor import ItemProcessor
from headstart.modalities.interactions.rankers import Ranker
from headstart.modalities.interactions.rankers.blend import blended
from headstart.modalities.interactions.rankers.slit import Slit
from headstart.modalities.interactions.rankers.tuning import Validation
from headstart.run import RunFolder

SETS: dict[str, tuple[str, ...]] = {
    "beauty": ("amazon_seq", "Beauty.txt.gz"),
    "toys": ("amazon_seq", "Toys_and_Games.txt.gz"),
    "movies": ("ml-100k", "u.data"),
}


def source(name: str, folder: Path) -> str:
    """Return the file of a set; that of the movies gets the first row that it lacks."""
    path = data(*SETS[name])
    if name != "movies":
        return str(path)
    named = folder / "movies.tsv"
    named.write_text("user_id\titem_id\trating\ttimestamp\n" + path.read_text(encoding="utf-8"))
    return str(named)


class Table:
    """The rows of one set; differences are to the first one that is printed."""

    def __init__(self, parts: Division) -> None:
        self._parts = parts
        self._bar: RankedCandidate | None = None
        self._linear: RankedCandidate | None = None
        # Where a user has several tested items, users are resampled.
        users = parts.testing.users
        self._groups = None if len(parts.users) == len(users) else users

    def row(self, ranker: Ranker, kind: str, seconds: float) -> float:
        """Test a ranker and print it; return its NDCG@10."""
        found = measured(ranker, kind, self._parts, keep_seen=False)
        self._bar = self._bar or found
        self._linear = found if found.name == Slit.name else self._linear
        each = estimated(found.ranks, 0, groups=self._groups)
        ndcg, gap = each["NDCG@10"], self._over(found, self._bar)
        print(
            f"{kind:13}{found.name[:44]:46}{found.validation:.4f}  {ndcg.mean:.4f} "
            f"[{ndcg.low:.4f}, {ndcg.high:.4f}]  {each['HR@10'].mean:.4f}"
            f"{seconds:7.0f} s  {gap.mean:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]",
            flush=True,
        )
        if kind != "alternative" and self._linear is not None:
            over = self._over(found, self._linear)
            print(
                f"{'':13}over SLIT {over.mean:+.4f} [{over.low:+.4f}, {over.high:+.4f}]", flush=True
            )
        return float(ndcg.mean)

    def _over(self, one: RankedCandidate, other: RankedCandidate) -> Estimate:
        return difference(one.ranks, other.ranks, 0, groups=self._groups)


def opened(out: Path) -> tuple[Any, Division]:
    """Return the network of a run as a ranker, and its division."""
    run = RunFolder.open(out)
    encoder = OpenedEncoder(run.require_encoder())
    network = network_of(run, encoder.encoder, encoder.processor, encoder.length)
    records = pretraining_records(run, encoder.modality, [])
    assert records is not None
    options = cast(InteractionOptions, encoder.modality.options)
    return network, divided(records, cast(ItemProcessor, encoder.processor), options)


def run(name: str, options: argparse.Namespace, folder: Path) -> None:
    """Pre-train with each seed; print a row for each alternative, network and blend."""
    file, means = source(name, folder), dict[str, list[float]]()
    table: Table | None = None
    for seed in range(options.seeds):
        out = (options.keep or folder) / f"{name}-{options.hold_out}-{seed}"
        start = time.monotonic()
        hs.pretrain(
            file,
            modality="interactions",
            out=str(out),
            budget=options.budget,
            seed=seed,
            # No user is left out, so that the catalogue of each seed is the same.
            validation_share=0,
            settings=[f"interactions.hold_out={options.hold_out}", *options.set],
        )
        trained = time.monotonic() - start
        network, parts = opened(out)
        if table is None:
            print(
                f"\n{name}, held out: {options.hold_out}; {len(parts.users):,} users, "
                f"{parts.train.count:,} items, {len(parts.train.items):,} events in training"
            )
            table, start = Table(parts), time.monotonic()
            others = tuned(parts, options.seconds, False, lambda _: None, [])
            where = parts.validating
            validation = Validation.of(where.histories, where.items, parts.train.count, False)
            simple = blended(others, validation, lambda _: None)
            ranked = [*others, *([simple] if len(simple.rankers) > 1 else [])]
            took = time.monotonic() - start
            for each in sorted(ranked, key=lambda one: -validation.score(one)):
                table.row(each, "alternative", took)
        found = {
            "network": network,
            "blend": blended([network, *ranked], validation, lambda _: None),
        }
        for kind, ranker in found.items():
            means.setdefault(kind, []).append(table.row(ranker, f"{kind} {seed}", trained))
    for kind, values in means.items():
        mean, low, high = sum(values) / len(values), min(values), max(values)
        print(f"{kind}: mean NDCG@10 {mean:.4f} of {len(values)} seeds ({low:.4f} to {high:.4f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", default="30min", help="of one pre-training")
    parser.add_argument("--seconds", type=float, default=150.0, help="of tuning all alternatives")
    parser.add_argument("--hold-out", choices=["last", "time"], default="last")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path, help="folder in which the runs stay")
    given = parser.parse_args()
    announce("Networks that rank what comes next")
    with tempfile.TemporaryDirectory() as scratch:
        for one in given.sets:
            run(one, given, Path(scratch))
