"""Tiny runs of every state to damage, the records that they were made from, and their commands."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import headstart as hs
from headstart.training import checkpoint
from headstart.training.interrupt import Interrupted

TEXTS = [
    f"the {a} {b} {c} over the lazy dog"
    for a in ("quick", "brown", "red", "sly")
    for b in ("fox", "hare", "wolf")
    for c in ("jumps", "leaps", "runs", "flies")
]
SMALL: dict[str, Any] = {
    "encoder": "modernbert",
    "encoder_options": {"layers": 1, "width": 16, "heads": 2},
    "length": 16,
    "modality_options": {"text": {"tokenizer": {"vocab_size": 300}}},
    "tracker": "none",
    "embeddings": "none",
}
_ON_A_FEW = ("--labels", "10", "--seeds", "2")

_ENCODER = [
    ("embed", "{run}", "{runs}/texts.txt", "--out", "{out}.npy"),
    ("label", "{run}", "--unlabeled", "{runs}/texts.txt", "--count", "5", "--out", "{out}.csv"),
    ("finetune", "{run}", "--train", "{runs}/labeled.jsonl", "--out", "{out}", "--budget", "1steps",
     "--tracker", "none", "--no-alternatives"),
    ("pretrain", "{runs}/texts.txt", "--encoder", "{run}", "--out", "{out}", "--budget", "1steps",
     "--tracker", "none"),
    ("evaluate", "{run}", "--train", "{runs}/labeled.jsonl", *_ON_A_FEW, "--from-scratch", "off",
     "--alternatives-budget", "1s", "--out", "{out}.html"),
    ("compare", "{run}", "{runs}/light", "--train", "{runs}/labeled.jsonl", *_ON_A_FEW,
     "--out", "{out}.html"),
    ("search", "{run}", "--query", "fox", "--count", "2"),
    ("info", "{run}"),
]  # fmt: skip
_HEAD = [
    ("predict", "{run}", "{runs}/texts.txt", "--out", "{out}.csv"),
    ("explain", "{run}", "{runs}/texts.txt", "--count", "1"),
]
#: Commands that open a run, by the name of the run.
COMMANDS: dict[str, list[tuple[str, ...]]] = {
    "mlm": [*_ENCODER, ("generate", "{run}", "--prompt", "the fox")],
    "light": [command for command in _ENCODER if command[0] != "compare"],
    "writer": [("generate", "{run}", "--prompt", "the fox", "--tokens", "3"), ("info", "{run}")],
    "stars": [*_ENCODER, *_HEAD],
    "shop": [
        ("recommend", "{run}", "--history", "i1,i2", "--out", "{out}.csv"), ("info", "{run}"),
        ("recommend", "{run}", "--user", "u1"),
        ("embed", "{run}", "{runs}/events.csv", "--out", "{out}.npy"),
        ("evaluate", "{run}", "--alternatives-budget", "1s", "--out", "{out}.html"),
    ],
    "begun": [("pretrain", "--resume", "--out", "{run}"), ("info", "{run}"),
              ("embed", "{run}", "{runs}/texts.txt", "--out", "{out}.npy")],
    "tuning": [("finetune", "x", "--train", "x", "--resume", "--out", "{run}"), ("info", "{run}")],
}  # fmt: skip


def make_runs(folder: Path) -> None:
    """Write the records, and a run in each state: finished, fine-tuned, and interrupted."""
    folder.mkdir(parents=True, exist_ok=True)
    texts, labeled = str(folder / "texts.txt"), str(folder / "labeled.jsonl")
    Path(texts).write_text("\n".join(TEXTS))
    rows = [{"text": text, "label": "fox" if "fox" in text else "other"} for text in TEXTS]
    Path(labeled).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def out(name: str) -> str:
        return str(folder / name)

    hs.pretrain(texts, out=out("mlm"), objective="mlm", budget="2steps", **SMALL)
    light = {"encoder_options": {"width": 16}, "tracker": "none", "length": 16}
    hs.pretrain(texts, out=out("light"), budget="2steps", **light)
    writer = {**SMALL, "encoder": "gpt"}
    hs.pretrain(texts, out=out("writer"), objective="clm", budget="2steps", **writer)
    events = str(folder / "events.csv")
    bought = [f"u{n % 12},i{(n * 7 + n // 12) % 15},{n}" for n in range(72)]
    Path(events).write_text("\n".join(["user_id,item_id,timestamp", *bought]) + "\n")
    items = {"encoder_options": SMALL["encoder_options"], "tracker": "none", "embeddings": "none"}
    hs.pretrain(events, out=out("shop"), budget="2steps", **items)
    parts = [{"name": "pre-trained", "settings": {}, "weight": 1.0},
             {"name": "popularity", "settings": {}, "weight": 0.5}]  # fmt: skip
    Path(out("shop"), "ranking.json").write_text(json.dumps({"parts": parts}))
    tuning = {"train": labeled, "tracker": "none", "alternatives": False}
    hs.finetune(out("mlm"), out=out("stars"), budget="2steps", **tuning)
    hs.embed(out("mlm"), texts, out=out("vectors.npy"))
    hs.search(out("mlm"), query="fox")
    hs.evaluate(
        out("mlm"), train=labeled, labels=["10"], seeds=2, from_scratch="off",
        alternatives_budget="1s",
    )  # fmt: skip
    steps = {"checkpoint_steps": 1}
    with _stopped():
        hs.pretrain(texts, out=out("begun"), objective="mlm", budget="4steps", **steps, **SMALL)
    with _stopped():
        hs.finetune(out("mlm"), out=out("tuning"), budget="4steps", **steps, **tuning)


@contextmanager
def _stopped() -> Iterator[None]:
    """Stop the training inside after its second checkpoint, as SIGTERM does."""
    written = []

    def write(content: dict[str, Any], path: Path) -> None:
        original(content, path)
        written.append(path)
        if len(written) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    original = checkpoint.write
    with pytest.MonkeyPatch.context() as patch, suppress(Interrupted):
        patch.setattr(checkpoint, "write", write)
        yield


def typical(runs: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return, for each verb, words that make a short command, by the option that they give."""
    texts, labeled = str(runs / "texts.txt"), str(runs / "labeled.jsonl")
    short = {
        "budget": ("--budget=1steps",),
        "tracker": ("--tracker=none",),
        "out": ("--out=out",),
    }
    measured = {
        "train": (f"--train={labeled}",),
        "labels": ("--labels=10",),
        "seeds": ("--seeds=2",),
        "out": ("--out=out.html",),
    }
    mlm, stars = (str(runs / "mlm"),), (str(runs / "stars"),)
    return {
        "audit": {"sources": (texts,)},
        "preview": {"sources": (texts,), "out": ("--out=out.html",)},
        "pretrain": {"sources": (texts,), **short},
        "evaluate": {
            "run": mlm, **measured, "from_scratch": ("--from-scratch=off",),
            "alternatives_budget": ("--alternatives-budget=1s",),
        },
        "recommend": {"run": (str(runs / "shop"),), "history": ("--history=i1,i2",)},
        "compare": {"runs": mlm, **measured},
        "label": {
            "run": mlm, "unlabeled": (f"--unlabeled={texts}",), "count": ("--count=5",),
            "out": ("--out=out.csv",),
        },
        "finetune": {
            "run": mlm, "train": measured["train"], **short,
            "alternatives": ("--no-alternatives",),
        },
        "predict": {"run": stars, "inputs": (texts,), "out": ("--out=out.csv",)},
        "embed": {"run": mlm, "inputs": (texts,), "out": ("--out=out.npy",)},
        "search": {"run": mlm, "query": ("--query=fox",), "count": ("--count=2",)},
        "explain": {"run": stars, "inputs": (texts,), "count": ("--count=1",)},
        "export": {
            "run": mlm, "format": ("--format=transformers",), "out": ("--out=out",),
            "compared": ("--compared=20",),
        },
        "generate": {"run": (str(runs / "writer"),), "tokens": ("--tokens=3",)},
    }  # fmt: skip
