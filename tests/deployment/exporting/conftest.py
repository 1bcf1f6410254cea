"""Small encoders of each kind of data, with records of theirs, that exports are made of."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import headstart as hs

#: Where neither this library nor those of the training can be imported.
BARE = """
import runpy, sys
for name in ("headstart", "torch", "transformers", "datasets", "pandas", "sklearn"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
TEXTS = [
    f"the {a} {b} {c} over the {d} dog"
    for a in ("quick", "brown", "red", "sly")
    for b in ("fox", "hare", "wolf")
    for c in ("jumps", "leaps", "runs")
    for d in ("lazy", "old")
]
SMALL = {"tracker": "none", "start": "none", "quiet": True}
TINY = {"layers": 1, "width": 16, "heads": 2}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of everything that is made once."""
    return tmp_path_factory.mktemp("exporting")


@pytest.fixture(scope="session")
def labeled(made: Path) -> str:
    file = made / "labeled.jsonl"
    rows = [{"text": text, "label": text.split()[2]} for text in TEXTS]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


@pytest.fixture(scope="session")
def table(made: Path, labeled: str) -> hs.Run:
    """A run of the encoder that is one table."""
    options = {"encoder_options": {"width": 16}, "budget": "2steps", "length": 16}
    return hs.pretrain(labeled, out=str(made / "table"), **options, **SMALL)


@pytest.fixture(scope="session")
def tuned(made: Path, labeled: str, table: hs.Run) -> hs.Run:
    """A head on it."""
    options = {"budget": "2steps", "tracker": "none", "alternatives": False, "quiet": True}
    return hs.finetune(table, train=labeled, out=str(made / "tuned"), **options)


@pytest.fixture(scope="session")
def sentence_folder(made: Path, table: hs.Run) -> Path:
    """The table as a folder for sentence-transformers."""
    pytest.importorskip("sentence_transformers")
    out = made / "for sentences"
    table.export(format="sentence-transformers", out=str(out), quiet=True)
    return out


@pytest.fixture(scope="session")
def network(made: Path, labeled: str) -> hs.Run:
    """A run of a small transformer."""
    return hs.pretrain(
        labeled,
        out=str(made / "network"),
        objective="mlm",
        encoder="modernbert",
        encoder_options=TINY,
        modality_options={"text": {"tokenizer": {"vocab_size": 300}}},
        budget="2steps",
        length=16,
        **SMALL,
    )


@pytest.fixture(scope="session")
def pictures(made: Path) -> str:
    from PIL import Image

    rng = np.random.default_rng(0)
    folder = made / "pictures"
    folder.mkdir()
    for number in range(60):
        shape = (20 + number % 5, 24, 4 if number % 7 == 0 else 3)
        image = Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8))
        image.save(folder / f"{number}.png")
    for number in range(4):
        big = rng.integers(0, 255, (90, 130, 3), dtype=np.uint8)
        Image.fromarray(big).save(folder / f"big{number}.jpg")
    return str(folder)


@pytest.fixture(scope="session")
def convolutions(made: Path, pictures: str) -> hs.Run:
    """A run of a plain stack of convolutions."""
    options: dict[str, Any] = {
        "encoder": "plain",
        "encoder_options": {"widths": [8, 16], "pooled": [True, True]},
    }
    out = str(made / "convolutions")
    return hs.pretrain(pictures, out=out, budget="1steps", length=16, **options, **SMALL)


@pytest.fixture(scope="session")
def shop(made: Path) -> hs.Run:
    """A run on histories whose positions are counted from the end."""
    file = made / "events.csv"
    bought = [f"u{n % 12},i{(n * 7 + n // 12) % 15},{n}" for n in range(96)]
    file.write_text("\n".join(["user_id,item_id,timestamp", *bought]) + "\n")
    options = {"encoder_options": TINY, "embeddings": "none", "budget": "1steps"}
    return hs.pretrain(str(file), out=str(made / "shop"), **options, **SMALL)


@pytest.fixture(scope="session")
def bare() -> Callable[..., list[dict[str, Any]]]:
    """Run the example of an export where headstart and torch cannot be imported."""

    def run(folder: Path, *values: str) -> list[dict[str, Any]]:
        command = [sys.executable, "-I", "-c", BARE, str(folder / "example.py"), *values]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture(autouse=True)
def one_seed() -> None:
    torch.manual_seed(0)
