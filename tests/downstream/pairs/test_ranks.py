"""Ranks, chance and what is tested, by hand."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.downstream.pairs.alternatives import averaged, nearest, ridge
from headstart.downstream.pairs.ranks import Answers, by_chance, ranks_of, recall
from headstart.downstream.pairs.retrieved import CAPTIONS, PICTURES, CrossRetrieval, Found
from headstart.downstream.pairs.tested import asked_of, only_new
from headstart.downstream.pairs.zero_shot import (
    checked_names,
    checked_templates,
    class_vectors,
    probabilities,
)
from headstart.errors import HeadstartError

sys.path.insert(0, str(Path(__file__).parents[2] / "modalities" / "pairs"))

from painted import painted, picture, records, table

#: Pictures 0 and 1 have two captions each, of which one is common to both.
ANSWERS = Answers(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 2, 3]), (3, 4))


def test_the_best_right_answer_counts_and_others_do_not_push_it_down() -> None:
    scores = np.array([[0.5, 0.9, 0.7, 0.1], [0.9, 0.2, 0.3, 0.4], [0.1, 0.1, 0.1, 0.1]])
    found = ranks_of(scores, np.eye(4), ANSWERS)
    assert found.tolist() == [1, 3, 2.5]  # ties count half
    turned = ranks_of(np.eye(4), scores, ANSWERS.turned)
    assert turned.tolist() == [2, 1, 2, 2.5]
    assert recall(found, 2).tolist() == [1, 0, 0]


def test_chance_is_what_random_scores_reach() -> None:
    rng = np.random.default_rng(0)
    answers = Answers(np.arange(200), np.arange(200) % 50, (200, 50))
    random = ranks_of(rng.normal(size=(200, 64)), rng.normal(size=(50, 64)), answers)
    assert by_chance(answers, 10) == pytest.approx(0.2)
    assert recall(random, 10).mean() == pytest.approx(0.2, abs=0.1)
    assert by_chance(ANSWERS, 1) == pytest.approx((0.5 + 0.5 + 0.25) / 3)
    assert by_chance(ANSWERS, 4) == 1


def test_alternatives_place_a_picture_by_its_neighbours() -> None:
    known, targets = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)
    asked = np.array([[0.9, 0.1, 0.0]], dtype=np.float32)
    assert nearest(known, targets, asked, 1).tolist() == [[1, 0, 0]]
    two = nearest(known, targets, asked, 2)
    assert two[0, 0] > 10 * two[0, 1] > 0 == two[0, 2]
    rng = np.random.default_rng(0)
    features, weights = rng.normal(size=(60, 5)), rng.normal(size=(5, 4))
    placed = ridge(features, features @ weights, features[:3], 1e-6)
    unit = features[:3] @ weights
    np.testing.assert_allclose(placed, unit / np.linalg.norm(unit, axis=1)[:, None], atol=1e-3)
    means = averaged(np.array([[1.0, 0], [0, 1.0], [1.0, 0]]), np.array([0, 0, 1]), 2)
    np.testing.assert_allclose(means, [[0.5**0.5, 0.5**0.5], [1, 0]])


def test_what_training_saw_is_not_tested_and_old_captions_are_told(tmp_path: Path) -> None:
    train = records(table(tmp_path, painted(8), "train.csv"))
    new = [(picture("grey", "frame", 50), "a grey frame"), (picture("red", "bar", 51), "one more")]
    tested = records(table(tmp_path, [*painted(2), *painted(4, first=16), *new], "test.csv"))
    notes: list[str] = []
    found = asked_of(tested, train, "test.csv", notes)
    assert found.answers.shape == (6, 6)
    assert "2 of 8 pictures of test.csv are in the records of the pre-training" in notes[0]
    assert "4 of 6 tested captions are those of training pictures" in notes[1]
    fresh = only_new(found)
    assert fresh is not None
    assert set(fresh.texts) == {"a grey frame", "one more"}
    assert fresh.answers.shape == (2, 2)
    assert only_new(fresh) is None


def test_nothing_left_to_test_is_one_sentence(tmp_path: Path) -> None:
    same = records(table(tmp_path, painted(4)))
    with pytest.raises(HeadstartError, match="all pictures of t are in the records"):
        asked_of(same, same, "t", [])
    alike = records(table(tmp_path, [(each, "a thing") for each, _ in painted(3)], "alike.csv"))
    with pytest.raises(HeadstartError, match="all pictures of t have one caption"):
        asked_of(alike, None, "t", [])


def test_the_verdict_is_paired_and_says_no_where_an_alternative_is_better() -> None:
    good, bad = np.ones(60), np.full(60, 40.0)
    answers = Answers(np.arange(60), np.arange(60), (60, 60))
    groups = {CAPTIONS: np.arange(60), PICTURES: np.arange(60)}

    def result(ours: np.ndarray, theirs: np.ndarray) -> CrossRetrieval:
        both = [
            Found(name, kind, {CAPTIONS: ranks, PICTURES: ranks})
            for name, kind, ranks in (("n", "network", ours), ("a", "alternative", theirs))
        ]
        return CrossRetrieval(both, answers, groups)

    assert result(good, bad).verdict.startswith("Yes: the towers find")
    assert result(bad, good).verdict.startswith("No: a simple alternative")
    assert result(good, good).verdict.startswith("Not clear")
    assert result(good, bad).summary()["gain"]["mean"] == 1
    alone = result(good, bad)
    alone.candidates[1] = replace(alone.candidates[1], kind="untrained")
    assert alone.verdict.startswith("Unknown: there is no simple alternative")
    assert alone.sign == 0


def test_templates_are_averaged_and_names_are_spoken() -> None:
    said: list[str] = []

    def encode(texts: list[str]) -> np.ndarray:
        said.extend(texts)
        return np.eye(4, dtype=np.float32)

    found = class_vectors(["red_bar", "blue"], ["a {}", "{}."], encode)
    assert said == ["a red bar", "red bar.", "a blue", "blue."]
    np.testing.assert_allclose(found, [[0.5**0.5] * 2 + [0] * 2, [0] * 2 + [0.5**0.5] * 2])
    chances = probabilities(np.array([[1.0, 0, 0, 0]]), found, 100.0)
    assert chances[0, 0] > 0.999
    assert chances.sum() == pytest.approx(1)


def test_names_and_templates_are_refused_in_one_sentence() -> None:
    class Run:
        folder = "runs/x"

    for names, words in (
        ([], "name two or more of them with"),
        (["a", "a"], "'a' is named twice"),
    ):
        with pytest.raises(HeadstartError, match=words):
            checked_names(names, Run())  # type: ignore[arg-type]
    with pytest.raises(HeadstartError, match=r"must have \{\} once"):
        checked_templates(["a photo"])
    assert checked_templates([]) == ["{}"]
