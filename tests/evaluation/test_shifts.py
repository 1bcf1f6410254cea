"""The same probe on corrupted records: what must stay, what must drop, and in which unit."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
import pytest
from datasets import Dataset

from headstart.config import EvaluateConfig
from headstart.errors import HeadstartError
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.outcomes import Candidate
from headstart.evaluation.shifts import divided, extended, measure_shifts, parts
from headstart.modalities.text.modality import TextModality

MODALITY = TextModality()


def plan(**options: Any) -> EvaluateConfig:
    given = {"corruptions": ["typos"], "seeds": 3, "episodes": 20, **options}
    return EvaluateConfig(run="run", train="train.csv", test="test.csv", **given)


def records(labels: list[Any], texts: list[str]) -> Dataset:
    names = [str(index) for index in range(len(labels))]
    return Dataset.from_dict({"id": names, "text": texts, "label": labels})


CLASSES = [("cat", "dog", "cow")[n % 3] for n in range(90)]
TEXTS = [f"the {name} number {n} ran across the quiet garden" for n, name in enumerate(CLASSES)]
LABELS = {
    "classification": CLASSES,
    "fewshot": CLASSES,
    "clustering": CLASSES,
    "retrieval": CLASSES,
    "regression": [
        {"cat": 1, "dog": 5, "cow": 9}[name] + n / 100 for n, name in enumerate(CLASSES)
    ],
    "multilabel": [[name] + ["pet"] * (name != "cow") for name in CLASSES],
}


def read(texts: list[str]) -> np.ndarray:
    """Return features (N,3): which animal is named; one typo in the name hides it."""
    rows = [[name in text for name in ("cat", "dog", "cow")] for text in texts]
    jitter = np.array([[crc32(f"{index}{text}".encode()) for index in range(3)] for text in texts])
    return (np.array(rows) + 0.01 * jitter / 2**32).astype(np.float32)


@pytest.mark.parametrize("task", list(LABELS))
def test_typos_cost_what_hangs_on_letters_and_cost_nothing_else(task: str) -> None:
    config = plan(task=task, labels=["all"], shots=["2"], ways=3)
    train = records(LABELS[task][:45], TEXTS[:45])
    test = records(LABELS[task][45:], TEXTS[45:])
    found = parts(test, False, config, MODALITY, 32, None)
    assert [part.severity for part in found] == [0, 1, 2, 3]
    seen = extended(test, found)
    assert seen is not None
    texts = list(seen["text"])
    steady = np.tile(read(TEXTS[45:]), (5, 1))
    candidates = [
        Candidate("brittle", "pretrained", read(TEXTS[:45]), read(texts)),
        Candidate("steady", "untrained", read(TEXTS[:45]), steady),
    ]
    usual, moved = divided(candidates, test)
    results = evaluate(usual, train, test, config, MODALITY.content)
    shifts = measure_shifts(moved, train, found, results, config, MODALITY.content)
    drops = {(shift.candidate, shift.severity): shift.drop for shift in shifts}
    assert len(shifts) == 6
    for severity in (1, 2, 3):
        steady_drop = drops["steady", severity]
        assert steady_drop.mean == pytest.approx(0, abs=1e-6)
        assert steady_drop.high - steady_drop.low == pytest.approx(0, abs=1e-6)
    assert drops["brittle", 3].mean > 0.02
    assert drops["brittle", 3].mean > drops["brittle", 1].mean
    clean = {outcome.candidate: outcome.mean for outcome in results.judged(max(results.counts))}
    for shift in shifts:
        assert shift.clean.mean == pytest.approx(clean[shift.candidate])
        assert shift.drop.mean == pytest.approx(shift.clean.mean - shift.score.mean)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_intervals_of_shifts_resample_whole_groups(task: str) -> None:
    config = plan(task=task, labels=["all"])
    train = records(LABELS[task][:45], TEXTS[:45])
    widths = []
    for times in (1, 4):  # four copies of each record are no more evidence than one
        labels, texts = LABELS[task][45:] * times, TEXTS[45:] * times
        test = records(labels, texts).add_column("group", list(range(45)) * times)
        found = parts(test, False, config, MODALITY, 32, None)
        guesses = np.random.default_rng(0).random((45, 3))
        unsteady = np.concatenate(
            [np.tile(read(TEXTS[45:]), (2 * times, 1)), *[guesses] * 3 * times]
        )
        _, moved = divided([Candidate("ours", "pretrained", read(TEXTS[:45]), unsteady)], test)
        usual = [Candidate("ours", "pretrained", read(TEXTS[:45]), read(texts))]
        results = evaluate(usual, train, test, config, MODALITY.content)
        shift = measure_shifts(moved, train, found, results, config, MODALITY.content)[0]
        widths.append(shift.drop.high - shift.drop.low)
    assert widths[1] == pytest.approx(widths[0], rel=0.02)


def test_another_domain_is_compared_without_pairing() -> None:
    config = plan(task="classification", labels=["30"], corruptions=["off"], shifted="other.csv")
    train, test = records(CLASSES[:45], TEXTS[:45]), records(CLASSES[45:], TEXTS[45:])
    other = records(["cat", "dog"] * 10, ["unknown words"] * 20)
    found = parts(test, False, config, MODALITY, 32, other)
    assert [(part.name, len(part.records)) for part in found] == [
        ("as they are", 45),
        ("other.csv", 20),
    ]
    rng = np.random.default_rng(0)
    features = read(TEXTS)
    tested = np.concatenate([features[45:], features[45:], rng.random((20, 3))])
    usual, moved = divided([Candidate("ours", "pretrained", features[:45], tested)], test)
    results = evaluate(usual, train, test, config, MODALITY.content)
    (shift,) = measure_shifts(moved, train, found, results, config, MODALITY.content)
    assert (shift.tested, shift.labels, shift.clean.mean) == (20, 30, 1.0)
    assert shift.drop.high - shift.drop.low > 0.1
    assert shift.drop.mean > 0.2


def test_nothing_is_done_where_nothing_was_requested() -> None:
    test = records(CLASSES, TEXTS)
    assert parts(test, False, plan(corruptions=["off"]), MODALITY, 32, None) == []
    assert extended(test, []) is test
    with pytest.raises(HeadstartError, match="need test records"):
        parts(test, True, plan(task="classification"), MODALITY, 32, None)


def test_large_test_sets_are_sampled() -> None:
    test = records(["a", "b"] * 1500, ["some text"] * 3000)
    found = parts(test, False, plan(), MODALITY, 32, None)
    assert {len(part.records) for part in found} == {2000}
