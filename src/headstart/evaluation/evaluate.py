"""The protocol: every contender, at every number of labels, on the same draws and test records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from headstart.config import EvaluateConfig
from headstart.data.split import folds
from headstart.errors import HeadstartError
from headstart.evaluation.draws import draw, label_counts
from headstart.evaluation.features import Progress
from headstart.evaluation.metrics import Estimate, estimates
from headstart.evaluation.probes import LogisticProbe, Matrix, nearest_neighbours
from headstart.seeding import derive

Kind = Literal["pretrained", "untrained", "baseline", "scratch"]
Probe = Literal["logistic regression", "kNN", "own head"]


@dataclass(frozen=True)
class Contender:
    """One way to turn records and labels into predictions.

    Attributes:
        name: how tables and charts call it.
        kind: ``pretrained`` is the one that the verdict is about; all others are alternatives.
        train: (N,D) features of the training records, dense or sparse.
        test: (M,D) features of the test records; None when folds are cut from the training ones.
        fit_predict: for networks that are trained on the labels alone: called with the places
            (n,) of the drawn training records and a seed, it returns the predicted labels of all
            test records in order (of all training records when there are folds).
    """

    name: str
    kind: Kind
    train: Matrix | None = None
    test: Matrix | None = None
    fit_predict: Callable[[np.ndarray, int], Sequence[str]] | None = None


@dataclass(frozen=True)
class Outcome:
    """What one contender predicted with one probe at one number of labels.

    Attributes:
        predictions: (S,N) classes, one row a draw of labels; N records, each tested once.
        scores: accuracy and macro precision, recall and f1, with intervals.
    """

    contender: str
    kind: Kind
    probe: Probe
    labels: int
    predictions: np.ndarray
    scores: dict[str, Estimate]


@dataclass(frozen=True)
class Results:
    """All outcomes of an evaluation.

    Attributes:
        classes: the K label names; predictions and ``truth`` (N,) are places in it.
        counts: ``{number of labels: its name}``, rising.
        notes: what was left out, in plain sentences.
        training: labeled records that labels were drawn from.
        seeds: draws at each number of labels but all.
        folds: 0, or the folds of a cross-validation.
    """

    classes: list[str]
    truth: np.ndarray
    counts: dict[int, str]
    notes: list[str]
    training: int
    seeds: int
    folds: int
    outcomes: list[Outcome]

    def right(self, outcome: Outcome) -> np.ndarray:
        """Return (S,N) bool: which predictions of an outcome are right."""
        return outcome.predictions == self.truth

    def judged(self, labels: int) -> list[Outcome]:
        """Return the outcomes at a number of labels that the verdict compares: no kNN."""
        return [x for x in self.outcomes if x.labels == labels and x.probe != "kNN"]


#: From places (n,) of training records, their classes (n,), places (m,) of tested records and a
#: seed to the classes (m,) of the tested.
Predict = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]
#: Places of training records that labels may be drawn from, and places of records to test.
Part = tuple[np.ndarray, np.ndarray]


def evaluate(
    contenders: list[Contender],
    train_labels: Sequence[str],
    test_labels: Sequence[str],
    config: EvaluateConfig,
    *,
    progress: Progress | None = None,
) -> Results:
    """Measure all contenders with few labels and with many.

    At each number of labels there are ``config.seeds`` stratified draws, the same for all
    contenders, and one where all labels are used. With ``config.folds`` the training records are
    cross-validated: labels are drawn outside each fold, and ``test_labels`` must be empty.

    Args:
        progress: called with the number of fits done and of all fits.

    Raises:
        HeadstartError: one class only, a test label that no training record has, fewer records
            of a label than folds, or no number of labels that can be drawn.
    """
    names = _classes(train_labels, test_labels, config)
    targets = np.searchsorted(names, np.asarray(train_labels, dtype=str))
    truth = targets if config.folds else np.searchsorted(names, np.asarray(test_labels, dtype=str))
    parts = _parts(train_labels, len(truth), config)
    available = min(len(train) for train, _ in parts)
    counts, notes = label_counts(config.labels, available, len(names))
    draws = {count: 1 if name == "all" else config.seeds for count, name in counts.items()}
    outcomes: list[Outcome] = []
    done = 0
    for contender in contenders:
        probes = _probes(contender, names, bool(config.folds))
        for count, repeats in draws.items():
            rows: dict[Probe, list[np.ndarray]] = {probe: [] for probe in probes}
            for number in range(repeats):
                seed = derive(config.seed, "draw", count, number)
                drawn = [(train[draw(targets[train], count, seed)], test) for train, test in parts]
                for probe, predict in probes.items():
                    row = np.empty(len(truth), dtype=np.int32)
                    for train, test in drawn:
                        row[test] = predict(train, targets[train], test, seed)
                    rows[probe].append(row)
                done += 1
                if progress:
                    progress(done, len(contenders) * sum(draws.values()))
            for probe, predicted in rows.items():
                stack = np.stack(predicted)
                rng = _rng(config.seed, "bootstrap")
                measured = estimates(truth, stack, len(names), rng)
                outcomes.append(
                    Outcome(contender.name, contender.kind, probe, count, stack, measured)
                )
    return Results(
        [str(name) for name in names],
        truth,
        counts,
        notes,
        len(targets),
        config.seeds,
        config.folds,
        outcomes,
    )


def _classes(
    train_labels: Sequence[str], test_labels: Sequence[str], config: EvaluateConfig
) -> np.ndarray:
    """Return the sorted label names (K,) of the training records, which the tested must share."""
    train, test = Counter(train_labels), Counter(test_labels)
    if len(train) < 2:
        found = (
            f"every labeled record has the label {next(iter(train))!r}"
            if train
            else "there are no labels"
        )
        raise HeadstartError(
            f"{config.train}: {found}, but an evaluation needs two classes or more; check "
            "--label-column."
        )
    unseen = sorted(set(test) - set(train))
    if unseen:
        others = f" and {len(unseen) - 1:,} more" if len(unseen) > 1 else ""
        raise HeadstartError(
            f"{config.test or config.train}: the label {unseen[0]!r}{others} of the test records "
            "is never seen in the training records; correct it, or label training records with it."
        )
    return np.array(sorted(train), dtype=str)


def _parts(train_labels: Sequence[str], tested: int, config: EvaluateConfig) -> list[Part]:
    if config.folds == 1:
        raise HeadstartError("option 'folds': one fold leaves nothing to train on; use 2 or more.")
    if config.folds:
        return folds(train_labels, config.folds, derive(config.seed, "folds"))
    if not tested:
        raise HeadstartError(
            f"{config.test or config.train}: there is no labeled test record; name a file with "
            "--test, or cross-validate with --folds 5."
        )
    return [(np.arange(len(train_labels)), np.arange(tested))]


def _probes(contender: Contender, names: np.ndarray, cross_validated: bool) -> dict[Probe, Predict]:
    if contender.fit_predict is not None:
        return {"own head": _own_head(contender.fit_predict, names)}
    train = contender.train
    test = train if cross_validated else contender.test
    if train is None or test is None:
        raise ValueError(f"{contender.name}: features of training and test records are needed")
    logistic = LogisticProbe(train)

    def regression(
        drawn: np.ndarray, classes: np.ndarray, tested: np.ndarray, seed: int
    ) -> np.ndarray:
        return logistic.predict(train[drawn], classes, test[tested], _rng(seed, "penalty"))

    def neighbours(
        drawn: np.ndarray, classes: np.ndarray, tested: np.ndarray, seed: int
    ) -> np.ndarray:
        return nearest_neighbours(train[drawn], classes, test[tested], len(names))

    if sparse.issparse(train):
        return {"logistic regression": regression}
    return {"logistic regression": regression, "kNN": neighbours}


def _own_head(
    fit_predict: Callable[[np.ndarray, int], Sequence[str]], names: np.ndarray
) -> Predict:
    def predict(
        drawn: np.ndarray, classes: np.ndarray, tested: np.ndarray, seed: int
    ) -> np.ndarray:
        return np.searchsorted(names, np.asarray(fit_predict(drawn, seed), dtype=str))[tested]

    return predict


def _rng(seed: int, purpose: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(derive(seed, purpose)))
