"""The time of the simple alternatives."""

from __future__ import annotations

import numpy as np

from headstart.evaluation.allowance import Allowance
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.outcomes import Candidate, Metric, Results
from headstart.evaluation.protocols.measuring import Measurement, Prediction, one_by_one
from headstart.evaluation.protocols.resampling import Sampled

METRIC = Metric("score", percent=True)


class Clock:
    """Each fit takes ten seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def measurement(clock: Clock) -> Measurement:
    def predict(drawn: None, seed: int) -> Prediction:
        clock.now += 10
        return Prediction(np.zeros(4), 0.5)

    def sampled(rows: np.ndarray) -> dict[str, Sampled]:
        return {"score": Sampled(rows.mean(1), np.zeros((len(rows), 3)))}

    return Measurement(
        results=Results(
            task="x", metric=METRIC, truth=np.zeros(4), training=9, counts={5: "5", 9: "all"}
        ),
        probes=lambda candidate: {"head": predict},
        score=one_by_one(METRIC, sampled),
        seeds={5: [0, 1], 9: [0]},
    )


def measured(seconds: float | None, *candidates: Candidate) -> Results:
    clock = Clock()
    return measurement(clock).of(candidates, allowance=Allowance(seconds, clock))


def cells(results: Results) -> list[tuple[str, int]]:
    return [(outcome.candidate, outcome.labels) for outcome in results.outcomes]


OURS = Candidate("ours", "pretrained")
FIRST, SECOND = Candidate("first", "baseline"), Candidate("second", "baseline")


def test_without_a_bound_everything_is_measured() -> None:
    results = measured(None, OURS, FIRST, SECOND)
    assert cells(results) == [(name, n) for name in ("ours", "first", "second") for n in (5, 9)]
    assert not results.notes
    assert results.outcomes[0].validation == 0.5
    assert isinstance(results.outcomes[0].scores["score"], Estimate)


def test_what_is_left_when_the_time_is_spent_is_named_and_encoders_are_always_measured() -> None:
    results = measured(25, FIRST, SECOND, OURS)
    assert cells(results) == [("first", 5), ("first", 9), ("second", 5), ("ours", 5), ("ours", 9)]
    (note,) = results.notes
    assert note == (
        "Not measured, as the 25 s of the simple alternatives had no room for it (50 s were used, "
        "as some are always measured, and what is begun is finished): second (head) with all "
        "labels. Give them more with `--alternatives-budget`."
    )


def test_the_first_alternative_is_always_measured() -> None:
    results = measured(0, OURS, FIRST, SECOND)
    assert cells(results) == [(name, n) for name in ("ours", "first") for n in (5, 9)]


def test_what_is_known_to_take_longer_than_is_left_is_not_begun() -> None:
    long = Candidate("from scratch", "scratch", most=True, seconds=40)
    results = measured(60, FIRST, long)
    assert cells(results) == [("first", 5), ("first", 9)]
    assert "from scratch (head) with all labels" in results.notes[0]
    assert cells(measured(80, FIRST, long))[-1] == ("from scratch", 9)
