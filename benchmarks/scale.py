"""A million one-line documents: seconds to the first step, and memory as the corpus grows."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from setting import announce

CHILD = """
import json, resource, sys, time
started = time.perf_counter()
import headstart as hs
run = hs.pretrain(sys.argv[1], out=sys.argv[2], objective=sys.argv[3], budget="20steps",
                  tracker="none")
rows = [row for row in run.metrics() if "loss" in row]
last = rows[-1]["clock"]["seconds"] - rows[0]["clock"]["seconds"]
total = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"to_first_step": total - last, "peak_mb": peak}))
"""


def write(file: Path, count: int) -> None:
    """Write ``count`` lines of about twelve words with a natural spread of frequencies."""
    random = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(50_000)])
    with open(file, "w", encoding="utf-8") as out:
        for start in range(0, count, 10_000):
            ids = np.minimum(random.zipf(1.3, (min(10_000, count - start), 12)), 50_000) - 1
            out.writelines(" ".join(row) + "\n" for row in words[ids])


def main() -> None:
    """Train for a few steps on corpora of growing size, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objective", default="contrast")
    options = parser.parse_args()
    announce(f"Scale, {options.objective}")
    for count in (100_000, 1_000_000):
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch, "lines.txt")
            write(source, count)
            child = subprocess.run(
                [sys.executable, "-c", CHILD, source, f"{scratch}/run", options.objective],
                check=True,
                capture_output=True,
                text=True,
            )
            found = json.loads(child.stdout.splitlines()[-1])
            print(
                f"{count:>9,} documents: {found['to_first_step']:5.1f} s to the first step, "
                f"peak memory {found['peak_mb']:,.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
