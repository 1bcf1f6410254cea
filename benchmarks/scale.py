"""A million records: seconds to the first step, and memory as the corpus grows.

One-line documents, or with ``--pictures`` JPEG files of 32 x 32 pixels in a thousand folders, for
which the seconds until all are listed are printed, too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
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

LISTING = """
import json, sys, time
started = time.perf_counter()
from pathlib import Path
from headstart.config import PretrainConfig
from headstart.data.audit import Audit
from headstart.modalities.opening import open_modality
config = PretrainConfig(sources=[sys.argv[1]], out=sys.argv[2])
records = open_modality("image").read(config.sources, config, Audit(), Path(sys.argv[2]))
print(json.dumps({"records": len(records), "seconds": time.perf_counter() - started}))
"""


def write(file: Path, count: int) -> None:
    """Write ``count`` lines of about twelve words with a natural spread of frequencies."""
    random = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(50_000)])
    with open(file, "w", encoding="utf-8") as out:
        for start in range(0, count, 10_000):
            ids = np.minimum(random.zipf(1.3, (min(10_000, count - start), 12)), 50_000) - 1
            out.writelines(" ".join(row) + "\n" for row in words[ids])


def draw(folder: Path, count: int) -> None:
    """Write ``count`` small pictures of noise, in folders of a thousand."""
    random = np.random.default_rng(0)
    for number in range(0, count, 1000):
        part = folder / f"{number // 1000:04}"
        part.mkdir(parents=True)
        coarse = random.integers(256, size=(8, 8, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((32, 32), Image.Resampling.BICUBIC)
        stream = BytesIO()
        image.save(stream, "JPEG")
        for index in range(number, min(number + 1000, count)):
            (part / f"{index}.jpg").write_bytes(stream.getvalue())


def child(code: str, *arguments: object) -> dict[str, float]:
    """Return what a process of its own prints last."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Train for a few steps on corpora of growing size, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objective", help="contrast for lines, simclr for pictures by default")
    parser.add_argument("--pictures", action="store_true", help="small files in place of lines")
    parser.add_argument("--counts", nargs="+", type=int, default=[100_000, 1_000_000])
    options = parser.parse_args()
    objective = options.objective or ("simclr" if options.pictures else "contrast")
    announce(f"Scale, {objective}")
    for count in options.counts:
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch, "pictures" if options.pictures else "lines.txt")
            (draw if options.pictures else write)(source, count)
            listed = ""
            if options.pictures:
                found = child(LISTING, source, f"{scratch}/listed")
                listed = f"{found['records']:,} listed in {found['seconds']:.1f} s, "
            found = child(CHILD, source, f"{scratch}/run", objective)
            print(
                f"{count:>9,} records: {listed}{found['to_first_step']:5.1f} s to the first step, "
                f"peak memory {found['peak_mb']:,.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
