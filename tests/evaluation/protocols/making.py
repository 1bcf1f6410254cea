"""Records and options for tests of protocols."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from headstart.config import EvaluateConfig


def plan(**options: Any) -> EvaluateConfig:
    return EvaluateConfig(run="run", train="train.csv", **options)


def records(labels: list[Any], texts: list[str] | None = None) -> Dataset:
    """Return records with these labels."""
    names = [str(index) for index in range(len(labels))]
    return Dataset.from_dict({"id": names, "text": texts or names, "label": labels})


def pairs(firsts: list[str], seconds: list[str], scores: list[float] | None = None) -> Dataset:
    """Return flattened pairs, as ``read_pairs`` does."""
    count = len(firsts)
    rows: dict[str, Any] = {"id": [str(index) for index in range(2 * count)]}
    rows["text"] = firsts + seconds
    rows["side"] = ["first"] * count + ["second"] * count
    if scores is not None:
        rows["label"] = [str(score) for score in scores] * 2
    return Dataset.from_dict(rows)
