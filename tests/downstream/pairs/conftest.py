"""A run of two towers on painted pictures, which the tests of its uses share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "modalities" / "pairs"))

from painted import painted, table

import headstart as hs


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `train.csv`, `test.csv`, `captions.csv`, and the run `run`."""
    found = tmp_path_factory.mktemp("painted")
    table(found, painted(64), "train.csv")
    table(found, painted(32, first=100), "test.csv")
    texts = sorted({caption for _, caption in painted(16)})
    (found / "captions.csv").write_text("caption\n" + "\n".join(texts) + "\n")
    hs.pretrain(
        str(found / "train.csv"),
        out=str(found / "run"),
        length=16,
        budget="30steps",
        batch_size=32,
        validation_share=0,
        encoder_options={"first": {"widths": [8, 16, 32], "pooled": [True, True, True]}},
        optimizer={"learning_rate": 0.01},
        quiet=True,
    )
    return found
