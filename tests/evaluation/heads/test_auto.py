"""The head auto takes what cross-validation inside the labels prefers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from headstart.evaluation.heads import auto, propagation
from headstart.evaluation.heads.auto import Auto
from headstart.evaluation.heads.labels import Everything, Labels, Spec
from headstart.evaluation.heads.logistic import LogisticRegression
from headstart.evaluation.heads.sides import REGRESSION, Names, View


def rng() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(3))


def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    loaded = load_digits()
    return loaded.data.astype(np.float32), loaded.target


def of_each(classes: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([np.flatnonzero(classes == each)[:count] for each in np.unique(classes)])


def means(features: np.ndarray, classes: np.ndarray) -> Names:
    """What good class names would be: the middle of each class."""
    known = np.unique(classes)
    return Names(np.stack([features[classes == each].mean(0) for each in known]), known)


def test_few_labels_of_digits_are_worth_more_when_they_spread():
    features, classes = digits()
    drawn, tested = of_each(classes, 3), slice(1200, None)
    linear = LogisticRegression(features[:1200]).fit(features[drawn], classes[drawn], rng())
    chosen = Auto(features[:1200]).fit(features[drawn], classes[drawn], rng())
    assert chosen.selection.name == "label propagation"
    gain = (chosen.predict(features[tested]) == classes[tested]).mean() - (
        linear.predict(features[tested]) == classes[tested]
    ).mean()
    assert gain > 0.03
    assert chosen.validation >= linear.validation


def test_the_lowest_log_loss_is_taken_and_every_candidate_has_one():
    features, classes = digits()
    drawn = of_each(classes, 4)
    chosen = Auto(features, names=means(features, classes)).fit(
        features[drawn], classes[drawn], rng()
    )
    trials = chosen.selection.trials
    assert [trial.loss for trial in trials] == sorted(trial.loss for trial in trials)
    assert chosen.selection.name == trials[0].name
    assert {trial.name for trial in trials} == {
        *("logistic regression", "nearest class mean", "class names"),
        *("label propagation", "class names + propagation"),
    }
    held = chosen.held
    losses = -held.logs[np.arange(len(held.codes)), held.codes]
    assert losses.mean() == pytest.approx(trials[0].loss, abs=1e-5)
    assert trials[0].name in str(chosen.selection)


def test_where_neighbours_do_not_share_labels_they_are_not_spread():
    generator = rng()
    groups = generator.normal(size=(60, 20)).astype(np.float32)
    features = np.repeat(10 * groups, 10, axis=0)
    classes = generator.integers(2, size=600)
    # The class is a small shift along one axis, in heaps that both classes share.
    features = np.hstack([features, (6 * classes[:, None] - 3).astype(np.float32)])
    features += 0.3 * generator.normal(size=features.shape).astype(np.float32)
    drawn = generator.permutation(600)[:120]
    chosen = Auto(features).fit(features[drawn], classes[drawn], rng())
    assert chosen.selection.name == "logistic regression"


def test_an_unlabeled_pool_of_another_kind_leaves_propagation_out():
    features, classes = digits()
    drawn = of_each(classes, 5)
    others = rng().normal(size=(1500, 64)).astype(np.float32) - 3
    chosen = Auto(np.concatenate([features[drawn], others]), first=len(drawn)).fit(
        features[drawn], classes[drawn], rng()
    )
    assert "propagation" not in chosen.selection.name
    (clause,) = chosen.selection.left_out
    assert "reach too few of the unlabeled records" in clause


def test_names_are_used_where_they_help_and_not_where_they_are_shuffled():
    features, classes = digits()
    drawn = of_each(classes, 3)
    good = means(features, classes)
    wrong = Names(good.rows, np.roll(good.classes, 3))
    found = {}
    for kind, names in (("good", good), ("wrong", wrong)):
        head = Auto(features[:1200], names=names)
        found[kind] = head.fit(features[drawn], classes[drawn], rng()).selection.name
    assert "names" in found["good"]
    assert "names" not in found["wrong"]


def test_with_one_label_a_class_names_count_where_they_tell_the_labels():
    features, classes = digits()
    one, good = of_each(classes, 1), means(features, classes)
    chosen = Auto(features, names=good).fit(features[one], classes[one], rng())
    assert chosen.selection.name == "class names + propagation"
    assert "right for" in chosen.selection.reason
    assert np.isnan(chosen.validation)
    wrong = Names(good.rows, np.roll(good.classes, 3))
    chosen = Auto(features, names=wrong).fit(features[one], classes[one], rng())
    assert chosen.selection.name == "label propagation"
    assert Auto(features, spreads=False).fit(features[one], classes[one], rng()).selection.name == (
        "logistic regression"
    )


def test_no_label_at_all_and_labels_of_some_classes():
    features, classes = digits()
    names = means(features, classes)
    head = Auto(features, names=names)
    nothing = head.fit(features[:0], classes[:0], rng())
    assert (nothing.predict(features) == classes).mean() > 0.8
    some = np.flatnonzero(classes < 3)[:9]
    partly = head.fit(features[some], classes[some], rng())
    assert partly.classes.tolist() == list(range(10))
    assert (partly.predict(features) == classes).mean() > 0.7


def test_what_logistic_regression_holds_out_is_not_fitted_again():
    """The setting's own folds are those of auto, so their probabilities are the same."""
    features, classes = digits()
    drawn = of_each(classes, 6)
    labels = Labels(Everything(features, None, 0), features[drawn], classes[drawn], rng(), None)
    spec = Spec(REGRESSION, View(), named=False)
    kept = labels.held([spec]).logs
    for part in np.unique(labels.folds):
        held = labels.folds == part
        again = labels._side(spec, without=part).probabilities(features[drawn[held]], 10)
        np.testing.assert_allclose(np.exp(kept[held]), again, atol=0.1)


def test_many_classes_that_lie_apart_need_a_weak_penalty():
    """Where the grid ended at C = 1, log losses were too high, and class means were preferred."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(60, 64)) * generator.gamma(1, size=64)
    classes = np.arange(900) % 60
    features = centres[classes] + generator.normal(size=(900, 64)) * 0.3
    features = features.astype(np.float32)
    fitted = LogisticRegression(features).fit(features[:600], classes[:600], rng())
    assert fitted.setting[1] > 1
    chosen = Auto(features).fit(features[:600], classes[:600], rng())
    right = [(each.predict(features[600:]) == classes[600:]).mean() for each in (fitted, chosen)]
    assert right[1] > right[0] - 0.01


def test_two_labels_a_class_are_held_out_one_by_one():
    features, classes = digits()
    two = of_each(classes, 2)
    held = Auto(features).fit(features[two], classes[two], rng()).held
    assert np.unique(held.parts).tolist() == [0, 1]
    assert (np.bincount(held.parts) == 10).all()
    assert (held.codes >= 0).all()


def test_a_class_that_only_one_fold_has_is_not_scored():
    features, classes = digits()
    drawn = np.concatenate([of_each(classes, 5), [np.flatnonzero(classes == 4)[6]]])
    classes = classes.copy()
    classes[drawn[-1]] = 10
    held = Auto(features).fit(features[drawn], classes[drawn], rng()).held
    assert (held.codes < 0).sum() == 1


def test_blocks_are_tried_alone_beside_each_other_and_averaged():
    features, classes = digits()
    noise = 5 * rng().normal(size=(len(features), 30)).astype(np.float32)
    both = np.hstack([features, noise])
    drawn = of_each(classes, 4)
    blocks = (("pixels", 64), ("noise", 30))
    chosen = Auto(both[:1200], blocks=blocks).fit(both[drawn], classes[drawn], rng())
    names = {trial.name for trial in chosen.selection.trials}
    assert {"logistic regression of pixels", "logistic regression of noise"} <= names
    assert "logistic regression, mean of pixels and noise" in names
    assert chosen.selection.name == "label propagation of pixels"
    alone = Auto(features[:1200]).fit(features[drawn], classes[drawn], rng())
    right = [
        (one.predict(rows[1200:]) == classes[1200:]).mean()
        for one, rows in ((chosen, both), (alone, features))
    ]
    assert abs(right[0] - right[1]) < 0.02


def test_blocks_of_very_many_classes_are_tried_as_they_come(monkeypatch):
    monkeypatch.setattr(auto, "BLOCKWISE", 9)
    features, classes = digits()
    drawn = of_each(classes, 4)
    blocks = (("upper half", 32), ("lower half", 32))
    chosen = Auto(features[:600], blocks=blocks).fit(features[drawn], classes[drawn], rng())
    assert not any("half" in trial.name for trial in chosen.selection.trials)
    assert all(not side.view.parts for side in chosen.sides)


def test_records_beyond_the_graph_are_predicted(monkeypatch):
    from headstart.evaluation.heads import labels

    monkeypatch.setattr(labels, "POOL", 600)
    features, classes = digits()
    drawn = of_each(classes, 3)
    chosen = Auto(features).fit(features[drawn], classes[drawn], rng())
    spread = chosen.sides[-1]
    assert len(spread.beliefs) == 600
    assert (chosen.predict(features) == classes).mean() > 0.8


def test_very_many_classes_are_not_spread():
    features = rng().normal(size=(4000, 16)).astype(np.float32)
    classes = np.repeat(np.arange(propagation.CLASSES + 1), 2)
    train = features[: len(classes)]
    chosen = Auto(features).fit(train, classes, rng())
    assert "propagation" not in chosen.selection.name
    assert any("more than 500 classes" in clause for clause in chosen.selection.left_out)


def test_sparse_features_have_other_heads():
    with pytest.raises((TypeError, ValueError)):
        Auto(sparse.eye(5, format="csr")).fit(
            sparse.eye(5, format="csr"), np.array([0, 1, 0, 1, 0]), rng()
        )


def test_a_draw_does_not_depend_on_the_one_before():
    features, classes = digits()
    blocks = (("upper half", 32), ("lower half", 32))
    draws = [of_each(classes, 4), np.flatnonzero(classes >= 0)[100:160]]
    again = Auto(features, blocks=blocks)
    kept = [again.fit(features[drawn], classes[drawn], rng()).selection for drawn in draws]
    for drawn, selection in zip(draws, kept, strict=True):
        alone = Auto(features, blocks=blocks).fit(features[drawn], classes[drawn], rng())
        assert alone.selection == selection


def test_for_its_certainty_a_tenth_of_the_labels_is_held_out_at_a_time():
    features, classes = digits()
    drawn = of_each(classes, 12)
    known = features[:1200]
    usual, finer = (
        Auto(known, ten_folds=ten_folds).fit(features[drawn], classes[drawn], rng())
        for ten_folds in (False, True)
    )
    assert finer.selection == usual.selection
    assert finer.validation == usual.validation
    assert len(np.unique(usual.held.parts)) == 5
    assert len(np.unique(finer.held.parts)) == 10
    # Each label's class by what is fitted to the labels of the other nine parts, written out.
    part = finer.held.parts == 0
    labels = Labels(Everything(known, None, 0), features[drawn], classes[drawn], rng(), None)
    specs = [Spec(kind, View(), named) for kind, named in auto.FORMS[finer.selection.name]]
    sides = labels.in_folds(10)
    byhand = np.mean(
        [sides._side(spec, without=0).probabilities(features[drawn][part], 10) for spec in specs],
        axis=0,
    )
    assert (byhand.argmax(1) == finer.held.logs[part].argmax(1)).all()
