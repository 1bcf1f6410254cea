"""Where the data lie and what machine this is; every benchmark begins with it."""

from __future__ import annotations

import os
import platform
import sys
from datetime import date
from pathlib import Path

import torch


def data(*parts: str) -> Path:
    """Return a path in the benchmark data, or end with a word on where to put them."""
    root = Path(os.environ.get("HEADSTART_DATA", Path(__file__).parents[2] / "shared" / "data"))
    path = root.joinpath(*parts)
    if not path.exists():
        sys.exit(f"{path} is missing: set HEADSTART_DATA to the folder with the data sets")
    return path


def announce(title: str) -> None:
    """Print what is measured, on what, and when."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    load = os.getloadavg()[0]
    print(f"{title}\n{date.today()}, {os.cpu_count()} cores of {model}, torch {torch.__version__}")
    print(f"load before: {load:.1f}\n", flush=True)
