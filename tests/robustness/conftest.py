"""Tiny runs that the damages are done to, made once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tiny_runs import make_runs


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the runs; every test damages a copy."""
    folder = tmp_path_factory.mktemp("runs")
    make_runs(folder)
    return folder
