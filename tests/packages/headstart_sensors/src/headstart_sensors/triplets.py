"""A protocol: is a record nearer to one of its own label than to one of another?"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from headstart.config import EvaluateConfig, Options, task_options
from headstart.data.vectors import unit_length
from headstart.evaluation.outcomes import Candidate, Metric, Results
from headstart.evaluation.protocols import Protocol
from headstart.evaluation.protocols.measuring import (
    LabeledData,
    Measurement,
    Predict,
    Prediction,
    one_by_one,
)
from headstart.evaluation.protocols.resampling import averaged

METRIC = Metric("triplets", percent=True)


class TripletOptions(Options):
    """How many are drawn."""

    count: int = Field(1000, ge=10, description="Triplets.")


def measure(data: LabeledData, config: EvaluateConfig) -> Measurement:
    """Draw triplets of the tested records, and compare two cosines in each."""
    triplets = drawn(data.tested["label"], task_options(config, TripletOptions).count, config.seed)

    def probes(candidate: Candidate) -> dict[str, Predict]:
        features = data.features(candidate)
        if features is None:
            return {}
        rows = np.asarray(unit_length(features))
        anchor, same, other = (rows[indices] for indices in triplets)
        nearer = (anchor * same).sum(1) > (anchor * other).sum(1)
        return {"cosine": lambda labels, seed: Prediction(nearer.astype(np.float32))}

    return Measurement(
        results=Results(
            task="triplets",
            metric=METRIC,
            truth=triplets[0],
            training=len(data.train),
            unit="triplets",
        ),
        probes=probes,
        score=one_by_one(
            METRIC, lambda rows: {METRIC.name: averaged(rows, config.seed)}, predictions=False
        ),
        seeds={0: [config.seed]},
    )


def drawn(labels: list[str], count: int, seed: int) -> np.ndarray:
    """Return records, others of their label and others of another label, as indices (3,count)."""
    rng = np.random.default_rng(seed)
    codes = np.unique(labels, return_inverse=True)[1]
    found = rng.integers(len(codes), size=(3, 100 * count))
    anchor, same, other = codes[found]
    right = (anchor == same) & (anchor != other) & (found[0] != found[1])
    return found[:, right][:, :count]


TRIPLETS = Protocol(
    "Is a record nearer to one of its label than to one of another?",
    measure,
    Options=TripletOptions,
    split=None,
    alone=True,
    how="Nothing is fitted: two cosines are compared.",
)
