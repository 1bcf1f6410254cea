"""What every test shares: no network, two threads at most, and the way to larger data sets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Set before any library is imported; processes that tests start inherit it.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_DISABLE_PROGRESS_BARS="1",
    TOKENIZERS_PARALLELISM="false",
    OMP_NUM_THREADS="1",
)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Return the path of a shared data set, or skip the test where it is not there.

    Data sets are looked for in the folder that HEADSTART_DATA names, else beside the checkout.
    """
    folder = Path(os.environ.get("HEADSTART_DATA", ROOT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        if not (folder / name).exists():
            pytest.skip(f"{name} is not in {folder}; set HEADSTART_DATA to a folder that has it")
        return folder / name

    return find
