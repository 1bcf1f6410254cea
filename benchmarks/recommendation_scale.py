"""Large catalogues of items: memory and seconds of training, of lists, and of the verdict.

Synthetic events of a power law: the share of the item at place n is (n + 10)^-0.8, and a
user goes on with a neighbour of the item before with a probability of a half, so that there is
something to learn. Each step is a process of its own.

    python benchmarks/recommendation_scale.py --floors

- A million items, 300,000 users, five million events: `pretrain` for 50 steps, then `recommend` for
  one user and for 1,000 users; peak memory and seconds, with the start of Python and of PyTorch
  where nothing else is said.
- 25,000 users and 10,000 items, eight events each: `evaluate` with the smallest budget for tuning;
  in all, and the seconds in which each candidate ranks and is measured (validation and test).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from setting import announce

#: Most seconds of lists for 1,000 users, most memory (MB), most seconds of 25,000 users.
LISTS, MEMORY, RANKED = 10.0, 8192, 60.0

CHILD = """
import json, resource, sys, time
started = time.perf_counter()
import headstart as hs
imported = time.perf_counter() - started
{body}
total = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({{"seconds": total, "imported": imported, "peak_mb": peak, **found}}))
"""
PRETRAIN = """
found = {}
hs.pretrain(sys.argv[1], out=sys.argv[2], budget=sys.argv[3], tracker="none",
            modality_options={"interactions": {"hold_out": sys.argv[4]}})
"""
ONE = """
hs.recommend(sys.argv[2], history=["1", "2", "3"])
began = time.perf_counter()
hs.recommend(sys.argv[2], history=["4", "5", "6"])
found = {"again": time.perf_counter() - began}
"""
MANY = """
listed = hs.recommend(sys.argv[2], users=sys.argv[1], count=10).to_dict()
found = {"lists": len({row["user"] for row in listed["recommendations"]})}
"""
EVALUATE = """
result = hs.evaluate(sys.argv[2], alternatives_budget="1s")
found = {"users": result.users, "each": {c.name: c.milliseconds for c in result.candidates}}
"""


def events(users: int, items: int, each: int, seed: int = 0) -> pa.Table:
    """Return a table of events: ``user_id``, ``item_id`` and ``timestamp``."""
    rng = np.random.default_rng(seed)
    shares = (np.arange(items) + 10.0) ** -0.8
    below = np.cumsum(shares / shares.sum())
    total = users * each
    drawn = np.minimum(np.searchsorted(below, rng.random(total)), items - 1)
    drawn = rng.permutation(items)[drawn].reshape(users, each)
    for column in range(1, each):
        follows = rng.random(users) < 0.5
        next_to = (drawn[:, column - 1] + rng.integers(1, 4, users)) % items
        drawn[:, column] = np.where(follows, next_to, drawn[:, column])
    return pa.table(
        {
            "user_id": np.repeat(np.arange(users), each),
            "item_id": drawn.ravel(),
            "timestamp": np.tile(np.arange(each), users) + np.repeat(np.arange(users), each),
        }
    )


def child(body: str, *arguments: object) -> dict[str, float]:
    """Return what a process of its own prints last."""
    command = [sys.executable, "-c", CHILD.format(body=body), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def large(folder: Path, steps: int, users: int, items: int) -> bool:
    """Print the figures of a large catalogue; return whether they keep to the floors."""
    table = events(users, items, 5_000_000 // 300_000)
    source, some, run = folder / "large.parquet", folder / "some.parquet", folder / "large"
    pq.write_table(table, source)
    pq.write_table(table.slice(0, 1000 * (5_000_000 // 300_000)), some)
    print(f"{items:,} items, {users:,} users, {len(table):,} events")
    trained = child(PRETRAIN, source, run, f"{steps}steps", "last")
    _row(f"pretrain, {steps} steps", trained)
    one, many = child(ONE, source, run), child(MANY, some, run)
    _row("recommend, one user", one)
    print(f"  the next one in the same process: {one['again']:.2f} s")
    _row(f"recommend, {many['lists']:,} users", many)
    more = many["seconds"] - one["seconds"]
    print(f"  beyond what one user takes: {more:.1f} s (floor {LISTS:g})\n", flush=True)
    peak = max(trained["peak_mb"], one["peak_mb"], many["peak_mb"])
    return more < LISTS and peak < MEMORY


def ranked(folder: Path) -> bool:
    """Print the figures of the verdict on many users; return whether they keep to the floor."""
    source, run = folder / "users.parquet", folder / "users"
    pq.write_table(events(25_000, 10_000, 8), source)
    child(PRETRAIN, source, run, "50steps", "last")
    found = child(EVALUATE, source, run)
    users, each = int(found["users"]), found["each"]
    assert isinstance(each, dict)
    _row(f"evaluate, {users:,} users, 10,000 items", found)
    slowest = 0.0
    for name, milliseconds in each.items():
        seconds = milliseconds * 2 * users / 1000
        slowest = max(slowest, seconds)
        print(f"  {name:<45}{seconds:6.1f} s")
    print(f"  the slowest: {slowest:.1f} s (floor {RANKED:g})")
    return slowest < RANKED


def _row(name: str, found: dict[str, float]) -> None:
    print(f"{name:<45}{found['seconds']:7.1f} s, peak {found['peak_mb']:,.0f} MB", flush=True)


def main() -> None:
    """Print seconds and memory of each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", default=["large", "ranked"])
    parser.add_argument("--steps", type=int, default=50, help="of the large catalogue")
    parser.add_argument("--users", type=int, default=300_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--floors", action="store_true", help="end with 1 below a floor")
    options = parser.parse_args()
    announce("Large catalogues of items")
    good = True
    with tempfile.TemporaryDirectory() as scratch:
        if "large" in options.parts:
            good &= large(Path(scratch), options.steps, options.users, options.items)
        if "ranked" in options.parts:
            good &= ranked(Path(scratch))
    if options.floors and not good:
        sys.exit(1)


if __name__ == "__main__":
    main()
