"""Records and options for tests of protocols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from datasets import Dataset

from headstart.config import EvaluateConfig
from headstart.evaluation.outcomes import Candidate, Results
from headstart.evaluation.protocols import PROTOCOLS
from headstart.evaluation.protocols.measuring import LabeledData
from headstart.modalities.text.content import TEXT


def plan(**options: Any) -> EvaluateConfig:
    return EvaluateConfig(run="run", train="train.csv", **options)


def measuring(task: str) -> Callable[..., Results]:
    """Return what measures candidates by a protocol, on records of texts."""

    def measure(
        candidates: list[Candidate],
        train: Dataset,
        test: Dataset | None,
        config: EvaluateConfig,
    ) -> Results:
        results: Results = (
            PROTOCOLS[task].measure(LabeledData(train, test, TEXT), config).of(candidates)
        )
        assert results.task == task
        return results

    return measure


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
