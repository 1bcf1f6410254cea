"""Classification: how often is the label right, after few labels and after many?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from headstart.batch import Progress
from headstart.config import EvaluateConfig
from headstart.data.split import folds
from headstart.data.store import stream
from headstart.data.vectors import Matrix
from headstart.errors import HeadstartError
from headstart.evaluation.draws import draw, draw_seeds, label_counts
from headstart.evaluation.metrics import estimates
from headstart.evaluation.outcomes import ACCURACY, Candidate, Outcome, Results
from headstart.evaluation.probes import LogisticProbe, nearest_neighbours
from headstart.evaluation.protocols import Protocol
from headstart.evaluation.protocols.resampling import resample
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

#: From places (n,) of training records, their classes (n,), places (m,) of tested records and a
#: seed to the classes (m,) of the tested.
Predict = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]
#: Places of training records that labels may be drawn from, and places of records to test.
Part = tuple[np.ndarray, np.ndarray]


def measure(
    candidates: list[Candidate],
    train: Dataset,
    test: Dataset | None,
    config: EvaluateConfig,
    progress: Progress | None = None,
) -> Results:
    """Score all candidates with few labels and with many, by logistic regression and kNN.

    At each number of labels there are ``config.seeds`` stratified draws, the same for all
    candidates, and one where all labels are used. With ``config.folds`` the training records are
    cross-validated: labels are drawn outside each fold, and ``test`` must be None.

    Args:
        progress: called with the number of fits done and of all fits.

    Raises:
        HeadstartError: one class only, a test label that no training record has, fewer records
            of a label than folds, or no number of labels that can be drawn.
    """
    train_labels = list(stream(train, "label"))
    test_labels = [] if test is None else list(stream(test, "label"))
    names = _classes(train_labels, test_labels, config)
    targets = np.searchsorted(names, np.asarray(train_labels, dtype=str))
    truth = targets if config.folds else np.searchsorted(names, np.asarray(test_labels, dtype=str))
    parts = _parts(train_labels, len(truth), config)
    available = min(len(indices) for indices, _ in parts)
    counts, notes = label_counts(config.labels, available, len(names))
    draws = draw_seeds(config, counts)
    found: list[tuple[Candidate, str, int, np.ndarray]] = []
    done = 0
    for candidate in candidates:
        probes = _probes(candidate, names, bool(config.folds))
        for count, seeds in draws.items():
            rows: dict[str, list[np.ndarray]] = {probe: [] for probe in probes}
            for seed in seeds:
                drawn = [(from_[draw(targets[from_], count, seed)], to) for from_, to in parts]
                for probe, predict in probes.items():
                    row = np.empty(len(truth), dtype=np.int32)
                    for learned, tested in drawn:
                        row[tested] = predict(learned, targets[learned], tested, seed)
                    rows[probe].append(row)
                done += 1
                if progress:
                    progress(done, len(candidates) * sum(map(len, draws.values())))
            found += [(candidate, probe, count, np.stack(row)) for probe, row in rows.items()]
    return Results(
        task="classification",
        metric=ACCURACY,
        classes=[str(name) for name in names],
        truth=truth,
        counts=counts,
        notes=notes,
        training=len(targets),
        seeds=config.seeds,
        folds=config.folds,
        outcomes=_outcomes(found, truth, len(names), config.seed),
    )


PROTOCOL = Protocol("How often is the label right, with few labels and with many?", measure)


def _outcomes(
    found: list[tuple[Candidate, str, int, np.ndarray]], truth: np.ndarray, classes: int, seed: int
) -> list[Outcome]:
    """Score predictions; all outcomes are put on the same resamples in one pass."""
    right = np.concatenate([stack == truth for *_, stack in found]).astype(np.float32)
    resampled = resample(len(truth), seed, lambda counts: counts @ right.T / len(truth)).T
    ends = np.cumsum([len(stack) for *_, stack in found])[:-1]
    parts = np.split(resampled, ends)
    outcomes = []
    for index, (candidate, probe, count, stack) in enumerate(found):
        outcomes.append(
            Outcome(
                candidate=candidate.name,
                kind=candidate.kind,
                probe=probe,
                labels=count,
                predictions=stack,
                scores=estimates(truth, stack, classes, _rng(seed, "bootstrap")),
                by_draw=(stack == truth).mean(1),
                by_resample=parts[index],
            )
        )
    return outcomes


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


def _probes(candidate: Candidate, names: np.ndarray, cross_validated: bool) -> dict[str, Predict]:
    if candidate.fit_predict is not None:
        return {"own head": _own_head(candidate.fit_predict, names)}
    train = candidate.train
    test = train if cross_validated else candidate.test
    if train is None or test is None:
        raise ValueError(f"{candidate.name}: features of training and test records are needed")
    logistic = LogisticProbe(train)

    def regression(
        drawn: np.ndarray, classes: np.ndarray, tested: np.ndarray, seed: int
    ) -> np.ndarray:
        return logistic.predict(
            _rows(train, drawn), classes, _rows(test, tested), _rng(seed, "penalty")
        )

    def neighbours(
        drawn: np.ndarray, classes: np.ndarray, tested: np.ndarray, seed: int
    ) -> np.ndarray:
        return nearest_neighbours(_rows(train, drawn), classes, _rows(test, tested), len(names))

    if sparse.issparse(train):
        return {"logistic regression": regression}
    return {"logistic regression": regression, "kNN": neighbours}


def _rows(features: Matrix, indices: np.ndarray) -> Matrix:
    """Return the rows at sorted places; all of them are not copied."""
    return features if len(indices) == features.shape[0] else features[indices]


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
