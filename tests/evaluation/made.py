"""Results, records and runs that are made up, so that a report is written in no time."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from PIL import Image

from headstart.config import PretrainConfig
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.ngram_baseline import NgramFacts
from headstart.evaluation.outcomes import ACCURACY, Kind, Metric, Outcome, Results
from headstart.evaluation.perplexity import ModelScore, Perplexity, Surprises
from headstart.evaluation.samples import Samples
from headstart.modalities.image.modality import ImageModality
from headstart.modalities.text.modality import TextModality
from headstart.run import RunFolder

HOSTILE = "</title></script><script>alert('x')</script>\"&"
KINDS: dict[str, Kind] = {
    "pre-trained": "pretrained",
    "untrained": "untrained",
    "TF-IDF": "baseline",
}


def made_results(
    classes: list[str],
    truth: np.ndarray,
    *,
    counts: dict[int, str] | None = None,
    metric: Metric = ACCURACY,
    task: str = "classification",
    right: tuple[float, ...] = (0.8, 0.5, 0.6),
    **more: Any,
) -> Results:
    """Return results in which each candidate is right so often, on each of three draws."""
    rng = np.random.default_rng(0)
    counts = counts or {10: "10", 100: "100", 400: "all"}
    outcomes = []
    for number, labels in enumerate(counts):
        for name, share in zip(KINDS, right, strict=True):
            mean = min(0.99, share + 0.05 * number)
            wrong = rng.random((3, len(truth))) > mean
            guesses = np.where(wrong, (truth + 1) % max(1, len(classes)), truth)
            draws = mean + 0.01 * rng.standard_normal(3)
            outcomes.append(
                Outcome(
                    name,
                    KINDS[name],
                    "logistic regression" if classes else "cosine",
                    labels,
                    guesses if classes else None,
                    {metric.name: Estimate(mean, mean - 0.03, mean + 0.03)},
                    draws if len(counts) > 1 else draws[:1],
                    (draws if len(counts) > 1 else draws[:1])[:, None]
                    + 0.01 * rng.standard_normal(200),
                )
            )
    seeds = 3 if len(counts) > 1 else 1
    return Results(
        task=task,
        metric=metric,
        classes=classes,
        truth=truth,
        counts=counts,
        training=400,
        seeds=seeds,
        outcomes=outcomes,
        **more,
    )


def made_texts(classes: list[str], count: int = 60) -> tuple[Samples, np.ndarray]:
    """Return texts, of which those of one class lie together, and their classes."""
    rng = np.random.default_rng(1)
    truth = np.arange(count) % len(classes)
    vectors = 4 * np.eye(len(classes), 16)[truth] + rng.standard_normal((count, 16))
    records = Dataset.from_dict(
        {
            "id": [f"r{n}" for n in range(count)],
            "text": [f"text {n} about {classes[c]} {HOSTILE}" for n, c in enumerate(truth)],
            "label": [classes[c] for c in truth],
        }
    )
    return Samples(records, vectors.astype(np.float32), TextModality()), truth


def made_images(classes: list[str], count: int, side: int) -> tuple[Samples, np.ndarray]:
    """Return images of noise, which hardly compress, and their classes."""
    rng = np.random.default_rng(2)
    truth = np.arange(count) % len(classes)
    held = []
    for _ in range(count):
        written = io.BytesIO()
        noise = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(noise).save(written, format="PNG", compress_level=0)
        held.append({"bytes": written.getvalue(), "path": None})
    records = Dataset.from_dict(
        {
            "id": [f"p{n}" for n in range(count)],
            "image": held,
            "label": [classes[c] for c in truth],
        }
    )
    vectors = rng.standard_normal((count, 8)).astype(np.float32)
    return Samples(records, vectors, ImageModality()), truth


def made_run(folder: Path, rows: list[dict[str, Any]]) -> RunFolder:
    """Return a run folder with such metrics."""
    plan = PretrainConfig(sources=["texts"], out=str(folder), budget="5steps")
    run = RunFolder.create(plan.out, "pretrain", plan)
    run.resolve(records=1234)
    run.metrics_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def made_perplexity(gain: float) -> Perplexity:
    """Return the result of a run that saves ``gain`` nats per token over its best alternative."""
    candidate = 2.5 if gain > 0 else 2.0 if gain == 0 else 2 / 1.2
    figures = {"this run": 2.0, "4-grams": candidate, HOSTILE: 9.0}
    return Perplexity(
        [
            ModelScore(
                name,
                Estimate(30 * bits, 29 * bits, 31 * bits),
                Estimate(bits, bits - 0.1, bits + 0.1),
            )
            for name, bits in figures.items()
        ],
        texts=40,
        tokens=900,
        gain=Estimate(gain, gain - 0.1, gain + 0.1),
        ngrams=NgramFacts(2, 5000, 0, [(0.5, 1.0, 1.5)] * 2, True, 500, [9.0, 8.0]),
        about={"run": HOSTILE, "texts": "tested.csv", "date": "2026-01-31"},
        notes=[HOSTILE],
        samples=[{"prompt": HOSTILE, "written": "two\nlines"}],
        surprises=[Surprises(HOSTILE, [("a", 0.3), (HOSTILE, 4.0), ("deep", 30.0)])],
    )
