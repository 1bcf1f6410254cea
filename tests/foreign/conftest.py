"""A world in which headstart-sensors is installed, and runs on its data."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import headstart as hs

sys.path.insert(0, str(Path(__file__).parent))

from sensors import PACKAGE, QUICK, table, waves


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, write_distribution: Callable[..., None]
) -> Iterator[SimpleNamespace]:
    """Install the package for this process and those it starts, and write its data."""
    folder = tmp_path_factory.mktemp("sensors")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    write_distribution(folder / "site", project["name"], project["entry-points"])
    path = [str(folder / "site"), str(PACKAGE / "src")]
    with pytest.MonkeyPatch.context() as patch:
        for entry in path:
            patch.syspath_prepend(entry)
            patch.setenv("PYTHONPATH", entry, prepend=os.pathsep)
        rng = np.random.default_rng(0)
        paths = {
            "unlabeled": table(folder / "unlabeled.csv", waves(rng, 200), labeled=False),
            "train": table(folder / "train.csv", waves(rng, 90)),
            "test": table(folder / "test.csv", waves(rng, 60)),
        }
        yield SimpleNamespace(folder=folder, **paths)


@pytest.fixture(scope="module")
def run(world: SimpleNamespace) -> hs.Run:
    """A pre-training by the package's own objective."""
    return hs.pretrain(
        world.unlabeled,
        out=str(world.folder / "run"),
        modality="series",
        budget="60steps",
        **QUICK,
    )


@pytest.fixture(scope="module")
def tuned(world: SimpleNamespace, run: hs.Run) -> hs.Run:
    """A fine-tuning of it on the shapes of the waves."""
    return run.finetune(world.train, out=str(world.folder / "tuned"), budget="60steps", **QUICK)
