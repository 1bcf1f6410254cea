"""A small shop in which most people take the next item of a ring, and a run on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import headstart as hs

ITEMS, USERS = 30, 240


def shop(path: Path, seed: int = 0) -> Path:
    """Write events: from a random item on, each user takes the next one, but for one in ten."""
    rng = np.random.default_rng(seed)
    rows = ["user_id,item_id,timestamp"]
    for user in range(USERS):
        item = int(rng.integers(ITEMS))
        for time in range(int(rng.integers(4, 9))):
            rows.append(f"u{user},i{item},{time}")
            item = int(rng.integers(ITEMS)) if rng.random() < 0.1 else (item + 1) % ITEMS
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def bought(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The events of the shop."""
    return shop(tmp_path_factory.mktemp("shop") / "events.csv")


@pytest.fixture(scope="session")
def run(bought: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal run on the shop."""
    out = tmp_path_factory.mktemp("runs") / "shop"
    hs.pretrain(
        str(bought),
        out=str(out),
        budget="120steps",
        tracker="none",
        batch_size=16,
        encoder_options={"width": 32, "layers": 1, "heads": 2, "dropout": 0.1},
        optimizer={"learning_rate": 1e-2},
    )
    return out
