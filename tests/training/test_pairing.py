"""Pre-training on pairs: the columns are found and joined, and what cannot be is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

import headstart as hs
from headstart.encoders.features import features
from headstart.encoders.opening import open_encoder, open_processor
from headstart.errors import HeadstartError
from headstart.modalities.text.modality import TextModality

ROWS = [
    {"id": n, "one": f"the {a} fox {b} here", "two": f"a {a} animal {b}", "three": f"no {b} {n}"}
    for n, (a, b) in enumerate((a, b) for a in ("red", "sly", "old") for b in ("jumps", "sleeps"))
]
COLUMNS = {"text": "one", "pair": "two", "negative": "three"}
SMALL: dict[str, Any] = {
    "encoder": "light",
    "objective": "contrast",
    "budget": "2steps",
    "tracker": "none",
    "validation_share": 0.0,
}


def table(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_every_text_meets_its_own_pair_and_negative(tmp_path, monkeypatch):
    seen = []
    prepare = TextModality.prepare

    def watched(self, records, *given, **options):
        seen.append(records.to_list())
        return prepare(self, records, *given, **options)

    monkeypatch.setattr(TextModality, "prepare", watched)
    rows = [*ROWS, {"id": 9, "one": "without a pair", "two": "", "three": "some"}]
    source = table(tmp_path / "pairs.jsonl", rows)
    run = hs.pretrain(source, out=str(tmp_path / "run"), columns=COLUMNS, **SMALL)
    found = [(row["text"], row["pair"], row["negative"]) for row in seen[0]]
    assert found == [(row["one"], row["two"], row["three"]) for row in ROWS]
    audit = json.loads(run.audit_file.read_text())
    assert [row["reason"] for row in audit["records"]] == ["its column 'two' holds no text"]
    preview = json.loads(run.words_file.read_text())["records"][0]
    assert [row["name"] for row in preview] == [
        "original",
        "first view",
        "second view",
        "negative view",
    ]


def translated(*folders: str) -> dict[str, Any]:
    return {"modality_options": {"text": {"back_translation": list(folders)}}}


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"pair": "two"}, {"objective": "mlm"}, "and mlm compares none; take one of"),
        ({"pair": "tow"}, {}, "no column 'tow'"),
        ({"pair": "one"}, {}, "name one column, 'one'; name another"),
        ({"negative": "three"}, {}, "needs a text that says the same"),
        ({}, translated("a"), "'text.back_translation': it needs two folders"),
        ({"pair": "two"}, translated("a", "b"), "leave one out"),
        ({}, translated("nowhere", "b"), "nowhere holds no network that reads and writes"),
    ],
)
def test_what_cannot_be_paired_is_refused_in_a_sentence(tmp_path, columns, options, message):
    source = table(tmp_path / "pairs.jsonl", ROWS)
    given = {**SMALL, "columns": {"text": "one", **columns}, **options}
    with pytest.raises(HeadstartError, match=message):
        hs.pretrain(source, out=str(tmp_path / "run"), **given)


def matched(encoder: Any, processor: Any, pairs: list[dict[str, str]]) -> float:
    """Return the share of first texts whose own second text is the nearest of all."""
    sides = []
    for name in ("one", "two"):
        texts = Dataset.from_dict({"text": [pair[name] for pair in pairs]})
        side = features(encoder, processor, texts, length=64)
        sides.append(side / np.linalg.norm(side, axis=1, keepdims=True).clip(1e-9))
    return float(((sides[0] @ sides[1].T).argmax(1) == np.arange(len(pairs))).mean())


def test_pairs_teach_what_says_the_same(tmp_path, shared_data):
    """Two captions of one image, by different people: learned on some, found among others."""
    folder = shared_data("multi30k")
    captions: dict[int, list[str]] = {1: [], 2: []}
    with gzip.open(folder / "task2_train_captions_en.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["i"] in captions:
                captions[row["i"]].append(row["text"])
    pairs = [{"one": a, "two": b} for a, b in zip(captions[1], captions[2], strict=True)]
    run = hs.pretrain(
        table(tmp_path / "alike.jsonl", pairs[:6000]),
        out=str(tmp_path / "run"),
        columns={"text": "one", "pair": "two"},
        **{**SMALL, "budget": "40steps", "batch_size": 512},
    )
    encoder, processor = open_encoder(run.encoder), open_processor(run.encoder)
    after = matched(encoder, processor, pairs[-1000:])
    before = matched(encoder.untrained(), processor, pairs[-1000:])
    print(f"matches found among 1,000: untrained {before:.3f}, taught by pairs {after:.3f}")
    assert after > before + 0.03
