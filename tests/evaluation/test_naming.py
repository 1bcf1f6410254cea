"""Class names in an evaluation: all candidates get them, whatever makes their features."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from headstart.config import EvaluateConfig
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.joined import joined
from headstart.evaluation.naming import followed_by, names_of, with_names
from headstart.evaluation.outcomes import Candidate
from headstart.evaluation.report import choices
from headstart.modalities.opening import open_modality

CENTRES = np.random.default_rng(1).normal(size=(4, 12)).astype(np.float32)
LABELS = ["card_arrival", "lost_card", "top_up", "refund"]


def records(count: int, seed: int) -> tuple[Dataset, np.ndarray]:
    generator = np.random.default_rng(seed)
    classes = np.arange(count) % 4
    noise = generator.normal(size=(count, 12)).astype(np.float32)
    rows = [{"id": str(n), "text": f"text {n}", "label": LABELS[c]} for n, c in enumerate(classes)]
    return Dataset.from_list(rows), CENTRES[classes] + 0.9 * noise


def plan(**options) -> EvaluateConfig:
    return EvaluateConfig(run="r", train="t", task="classification", **options)


def test_names_are_features_like_those_of_tested_records() -> None:
    train, _ = records(40, 0)
    names = names_of(plan(), train, open_modality("text"), print)
    assert names["text"] == ["card arrival", "lost card", "refund", "top up"]
    tested = followed_by(train, names)
    assert tested["text"][-4:] == names["text"]
    features = np.arange(44.0)[:, None]
    (one, none) = with_names(
        [Candidate("mine", "pretrained", features[:40], features), Candidate("own", "scratch")],
        names,
    )
    assert one.test[:, 0].tolist() == list(range(40))
    assert one.names[:, 0].tolist() == [40, 41, 42, 43]
    assert one.named == tuple(names["label"])
    assert none.names is None
    (folds,) = with_names([Candidate("mine", "pretrained", features, features[:4])], names)
    assert folds.test is None
    assert len(folds.names) == 4


def test_other_protocols_have_no_use_for_names() -> None:
    said: list[str] = []
    train, _ = records(8, 0)
    config = plan(names="names.csv").model_copy(update={"task": "fewshot"})
    assert names_of(config, train, open_modality("text"), said.append) is None
    assert said == ["--names is of no use to fewshot, and not read."]


def test_both_sides_are_better_with_names_and_the_report_says_what_was_chosen() -> None:
    (train, known), (test, tested) = records(400, 0), records(400, 1)
    order = [LABELS.index(each) for each in sorted(LABELS)]
    named = {"names": CENTRES[order], "named": tuple(sorted(LABELS))}
    heads = ("logistic regression", "auto")
    mine = Candidate("mine", "pretrained", known, tested, heads, **named)
    simple = Candidate("simple", "baseline", known[:, ::-1], tested[:, ::-1], heads)
    simple = Candidate(**{**vars(simple), **named, "names": CENTRES[order][:, ::-1]})
    both = joined(mine, simple)
    assert both.blocks == (("mine", 12), ("simple", 12))
    assert both.names.shape == (4, 24)
    content = open_modality("text").content
    config = plan(labels=["8"], seeds=3, names="auto")
    results = evaluate([mine, simple, both], train, test, config, content)
    found = {(each.candidate, each.probe): each for each in results.outcomes}
    for name in ("mine", "simple"):
        auto = found[name, "auto"]
        assert auto.mean > found[name, "logistic regression"].mean + 0.02
        assert len(auto.selections) == 3
    told = choices.summary(found["mine", "auto"].selections)
    assert sum(row["chosen"] for row in told) == 3
    assert "What the labels were turned into" in str(choices.section(results))
    assert any(
        "mean of mine and simple" in row["name"]
        for row in choices.summary(found["mine + simple", "auto"].selections)
    )
