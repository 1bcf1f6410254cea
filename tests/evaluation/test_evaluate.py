from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from headstart.config import EvaluateConfig
from headstart.errors import HeadstartError
from headstart.evaluation.evaluate import check_needs, check_task, decided, evaluate
from headstart.evaluation.outcomes import Candidate, Results
from headstart.evaluation.protocols import Protocol
from headstart.evaluation.verdict import details, gains, headline
from headstart.modalities.image.modality import ImageModality
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.modality import TextModality

LABELS = [("no", "yes")[index % 2] for index in range(400)]
TEST = [("no", "yes")[index % 2] for index in range(600)]


def plan(**options: Any) -> EvaluateConfig:
    return EvaluateConfig(run="run", train="train.csv", **options)


def measure(
    candidates: list[Candidate], train: list[str], test: list[str], config: EvaluateConfig
) -> Results:
    """Evaluate records of which only the labels matter."""
    records = [Dataset.from_dict({"label": labels}) for labels in (train, test)]
    return evaluate(candidates, records[0], records[1] if test else None, config, TEXT)


def candidate(name: str, kind: Any, signal: float, seed: int) -> Candidate:
    """Return random features of which one direction tells the label, as strongly as ``signal``."""
    rng = np.random.default_rng(seed)

    def features(labels: list[str]) -> np.ndarray:
        found = rng.standard_normal((len(labels), 16))
        found[:, 0] += signal * np.array([1 if label == "yes" else -1 for label in labels])
        return found.astype(np.float32)

    return Candidate(name, kind, features(LABELS), features(TEST))


def test_equal_candidates_give_no_gain() -> None:
    claims: list[str] = []
    for seed in range(5):
        others = [candidate(f"rival {n}", "baseline", 1.0, 100 * seed + n) for n in range(2)]
        ours = candidate("ours", "pretrained", 1.0, 100 * seed + 50)
        results = measure([ours, *others], LABELS, TEST, plan(labels=["20"], seeds=3))
        claims += [headline(gains(results)).split(":")[0]]
    assert not any(claim.startswith("Yes") for claim in claims)
    assert claims.count("Not clear") >= 4  # one in twenty is a loss by chance


def test_a_known_gain_is_found_and_stated_first() -> None:
    candidates = [
        candidate("weak", "untrained", 0.1, 0),
        candidate("ours", "pretrained", 2.0, 1),
        candidate("middling", "baseline", 0.7, 2),
    ]
    results = measure(candidates, LABELS, TEST, plan(labels=["20", "all"], seeds=3))
    found = gains(results)
    assert [gain.best.candidate for gain in found] == ["middling", "middling"]
    assert [gain.sign for gain in found] == [1, 1]
    assert headline(found).startswith("Yes, from 20 labels on: pre-training gained ")
    assert "with all 400 over the best alternative" in headline(found)
    assert details(found)[1].startswith("20 labels: ")


def test_a_loss_is_a_plain_no() -> None:
    candidates = [
        candidate("ours", "pretrained", 0.1, 0),
        candidate("TF-IDF", "baseline", 2.0, 1),
    ]
    found = gains(measure(candidates, LABELS, TEST, plan(labels=["all"])))
    assert headline(found).startswith("No: pre-training lost ")


def test_all_candidates_get_the_same_draws() -> None:
    seen: list[list[tuple[int, ...]]] = [[], []]

    def recorded(log: list[tuple[int, ...]]) -> Any:
        def fit_predict(indices: np.ndarray, seed: int) -> list[str]:
            log.append(tuple(indices))
            return ["yes"] * len(TEST)

        return fit_predict

    scratch = [
        Candidate(f"s{n}", "scratch", fit_predict=recorded(log)) for n, log in enumerate(seen)
    ]
    results = measure(scratch, LABELS, TEST, plan(labels=["10", "all"], seeds=4))
    assert seen[0] == seen[1]
    assert [len(indices) for indices in seen[0]] == [10] * 4 + [400]
    assert len(set(seen[0])) == 5
    assert results.outcomes[0].scores["accuracy"].mean == 0.5


def test_probes_of_frozen_features_are_both_reported() -> None:
    results = measure(
        [candidate("ours", "pretrained", 2, 0)], LABELS, TEST, plan(labels=["50"], seeds=2)
    )
    probes = [outcome.probe for outcome in results.outcomes]
    assert probes == ["logistic regression", "auto", "kNN", "constant"]
    assert all(outcome.scores["accuracy"].mean > 0.85 for outcome in results.outcomes[:3])
    assert results.outcomes[0].predictions.shape == (2, 600)
    (found,) = gains(results)
    assert found.best.candidate == "majority class"


def test_folds_test_every_record_once_and_never_on_itself() -> None:
    drawn: list[set[int]] = []
    answers = np.array(LABELS)

    def memorise(indices: np.ndarray, seed: int) -> list[str]:
        """Be right about the drawn records and wrong about all others."""
        drawn.append(set(indices.tolist()))
        wrong = np.where(answers == "yes", "no", "yes")
        wrong[indices] = answers[indices]
        return wrong.tolist()

    scratch = Candidate("memory", "scratch", fit_predict=memorise)
    config = plan(labels=["all"], folds=4)
    results = measure([scratch], LABELS, [], config)
    assert results.outcomes[0].scores["accuracy"].mean == 0
    assert len(drawn) == 4
    assert set.intersection(*drawn) == set()
    features = candidate("ours", "pretrained", 2.0, 0).train
    found = measure([Candidate("ours", "pretrained", features)], LABELS, [], config)
    assert found.outcomes[0].scores["accuracy"].mean > 0.9


@pytest.mark.parametrize(
    ("train", "test", "options", "message"),
    [
        (["a"] * 9, ["a"], {}, "train.csv: every labeled record has the label 'a'"),
        (["a", "b"] * 9, ["a", "c"], {"test": "test.csv"}, "test.csv: the label 'c'"),
        (["a", "b"] * 9, [], {"test": "test.csv"}, "test.csv: there is no labeled test record"),
        (["a"] * 9 + ["b"] * 2, [], {"folds": 5}, "label 'b' has 2 record"),
        (["a", "b"] * 9, [], {"folds": 1}, "option 'folds'"),
        ([], [], {}, "train.csv: there are no labels"),
    ],
)
def test_labels_that_cannot_be_evaluated_are_refused_in_a_sentence(
    train: list[str], test: list[str], options: dict[str, Any], message: str
) -> None:
    features = np.ones((len(train), 2), np.float32)
    only = Candidate("ours", "pretrained", features, np.ones((len(test), 2), np.float32))
    with pytest.raises(HeadstartError, match=message):
        measure([only], train, test, plan(**options))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (
            "clasification",
            r"unknown evaluation task 'clasification'; did you mean 'classification'",
        ),
        ("atuo", "did you mean 'auto'"),
        ("perplexity", r"'perplexity' is not for pictures; choose one of classification, multi"),
    ],
)
def test_a_task_that_the_modality_does_not_support_is_refused_with_those_it_does(
    task: str, message: str
) -> None:
    with pytest.raises(HeadstartError, match=message):
        check_task(task, ImageModality())
    check_task("auto", ImageModality())
    check_task("perplexity", TextModality())


class Unlabeled(TextModality):
    """A kind of data that does not support the task its labels imply."""

    protocols = ("clustering", "retrieval")


def test_auto_follows_the_labels_where_the_modality_supports_it(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text("text,label\none text,1.5\nanother text,2.25\n")
    config = plan().model_copy(update={"train": str(file)})
    assert decided(config, TextModality()).task == "regression"
    assert decided(config, Unlabeled()).task == "clustering"
    named = config.model_copy(update={"task": "retrieval", "train": "nowhere.csv"})
    assert decided(named, Unlabeled()).task == "retrieval"
    slip = named.model_copy(update={"columns": {"txet": "body"}})
    with pytest.raises(HeadstartError, match="txet"):
        decided(slip, Unlabeled())


def test_what_a_task_needs_is_checked_against_encoder_and_processor() -> None:
    able = SimpleNamespace(provides=frozenset({"vocabulary"}))
    unable = SimpleNamespace(provides=frozenset({"two_views"}))
    check_needs("perplexity", TextModality(), unable, able)
    with pytest.raises(HeadstartError, match=r"needs vocabulary, .* classification, .*ring\."):
        check_needs("perplexity", TextModality(), unable, unable)


def test_where_no_task_is_possible_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    unable = SimpleNamespace(provides=frozenset())
    monkeypatch.setattr(TextModality, "protocols", ("perplexity",))
    with pytest.raises(HeadstartError, match=r"cannot give; choose another encoder\."):
        check_needs("perplexity", TextModality(), unable, unable)


def test_a_protocol_measures_features_or_a_network() -> None:
    with pytest.raises(TypeError, match="neither `measure` nor `run`"):
        Protocol("How good is it?")


def test_what_is_about_one_network_alone_compares_no_features() -> None:
    config = plan(task="perplexity")
    with pytest.raises(HeadstartError, match="perplexity is measured of one run at a time"):
        measure([candidate("ours", "pretrained", 1.0, 0)], LABELS, TEST, config)
