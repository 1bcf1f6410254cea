"""Verification: are two records of one label, such as a speaker, more alike than two of others?"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from pydantic import Field

from headstart.config import EvaluateConfig, Options, task_options
from headstart.data.vectors import Matrix, unit_length
from headstart.errors import HeadstartError
from headstart.evaluation.outcomes import Candidate, Metric, Results
from headstart.evaluation.protocols import Protocol
from headstart.evaluation.protocols.measuring import (
    LabeledData,
    Measurement,
    Predict,
    Prediction,
    one_by_one,
)
from headstart.evaluation.protocols.resampling import Sampled
from headstart.evaluation.protocols.trials import Trials, draw_trials, equal_error
from headstart.seeding import derive

METRIC = Metric("1 - EER", percent=True)
STANDARD, PLAIN, WHITENED = "cosine, standardised", "cosine", "cosine, whitened by label"
#: Fewest labels whose number is not doubted, and of training that can be parted in two.
FEW, PARTED = 20, 4
#: Dimensions that are whitened.
WIDEST = 400


class VerificationOptions(Options):
    """Options of the verification, for ``--set verification.KEY=VALUE``."""

    trials: int = Field(
        20_000,
        ge=100,
        le=1_000_000,
        description="Trials at most, half of one label and half of two.",
    )


def measure(data: LabeledData, config: EvaluateConfig) -> Measurement:
    """Score trials, pairs of tested records of one label or of two, by the equal error rate.

    A trial's score is the cosine of its records: as they are, or with each dimension standardised
    over the records of training (where they are named, else over those that are tested). No label
    is used for these. Where there are test records, a third way also divides by the covariance
    within the labels of training (Hatch et al. 2006, "Within-class covariance normalization for
    SVM-based speaker recognition"); training records of labels that are tested are left out of it.
    Which way is taken, trials of training records decide, for the third way those of labels that
    it was not fitted on.

    Every label has up to an equal share of the trials. Intervals are over labels, which are
    resampled.

    Raises:
        HeadstartError: fewer than two labels, or none with two different records.
    """
    chosen = task_options(config, VerificationOptions)
    where = config.test or config.train
    names, labels = np.unique(np.asarray(data.tested["label"], dtype=str), return_inverse=True)
    if len(names) < 2:
        raise HeadstartError(
            f"{where}: every record has the label {str(names[0])!r}, so no two can be told apart; "
            "check --column label=COLUMN."
        )
    trials = draw_trials(labels, data.content.digests(data.tested), chosen.trials, config.seed)
    if not len(trials.first):
        raise HeadstartError(
            f"{where}: no two different records have the same label; name a file with several of "
            "each, or check --column label=COLUMN."
        )
    weights = trials.resampled(config.seed)
    others = np.zeros(0, dtype=int)
    trained = np.asarray(data.train["label"], dtype=str)
    if data.test is not None:
        others = np.flatnonzero(~np.isin(trained, names))

    def probes(candidate: Candidate) -> dict[str, Predict]:
        tested = data.features(candidate)
        if tested is None or candidate.train is None:
            return {}
        centre, scale = _moments(candidate.train)

        def standardised(features: Matrix) -> np.ndarray:
            return np.asarray((_dense(features) - centre) / scale, dtype=np.float32)

        def by(change: Callable[[Matrix], Matrix]) -> Predict:
            return lambda drawn, seed: Prediction(cosines(change(tested), trials))

        found = {STANDARD: by(standardised), PLAIN: by(lambda features: features)}
        if len(set(trained[others])) > 1:
            rows, known = standardised(candidate.train)[others], trained[others]

            def whitened(drawn: None, seed: int) -> Prediction:
                change = whitening(rows, known)
                return Prediction(
                    cosines(standardised(tested) @ change, trials),
                    _validated(rows, known, chosen.trials, seed),
                )

            found[WHITENED] = whitened
        return found

    def score(rows: np.ndarray) -> dict[str, Sampled]:
        all_alike = np.ones((1, len(trials.first)), dtype=np.float32)
        whole = equal_error(rows[0], trials.same, all_alike)
        sampled = equal_error(rows[0], trials.same, weights)[None]
        return {METRIC.name: Sampled(1 - whole, 1 - sampled), "EER": Sampled(whole, sampled)}

    return Measurement(
        results=Results(
            task="verification",
            metric=METRIC,
            truth=trials.same,
            notes=_notes(trials, trained, others, data.test is not None),
            training=len(data.train),
            unit="trials",
            groups=trials.labels,
        ),
        probes=probes,
        score=one_by_one(METRIC, score, predictions=False),
        seeds={0: [config.seed]},
    )


PROTOCOL = Protocol(
    "Are two records of one label (a speaker, a face) more alike than two of others?",
    measure,
    Options=VerificationOptions,
    split=None,
    alone=True,
    how="A trial is scored by the cosine of its two records. At the threshold of the equal error "
    "rate (EER) as many trials of one label are refused as trials of two labels are accepted.",
)


def cosines(features: Matrix, trials: Trials) -> np.ndarray:
    """Return the cosine (T,) of the two records of each trial; 0 where one is a zero vector."""
    rows = _dense(unit_length(features))
    # Equal pairs differ in the last bits, which must not break ties.
    found = np.einsum("td,td->t", rows[trials.first], rows[trials.second], dtype=np.float64)
    return found.round(6)


def whitening(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the map (D,E) after which records vary alike in all directions within a label.

    Args:
        rows: (N,D) of the training records; more than 400 dimensions become their principal ones.
        labels: (N,), each of several records.
    """
    from sklearn.covariance import ledoit_wolf

    basis = np.eye(rows.shape[1], dtype=np.float32)
    if rows.shape[1] > WIDEST:
        _, _, axes = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
        basis = axes[:WIDEST].T
    reduced = rows @ basis
    within = np.concatenate(
        [reduced[labels == name] - reduced[labels == name].mean(0) for name in np.unique(labels)]
    )
    values, axes = np.linalg.eigh(ledoit_wolf(within, assume_centered=True)[0])
    least = max(float(values.max()) * 1e-6, 1e-12)  # a single record of each label varies nowhere
    return np.asarray(basis @ (axes / np.sqrt(values.clip(min=least))), dtype=np.float32)


def _validated(rows: np.ndarray, labels: np.ndarray, count: int, seed: int) -> float:
    """Return the score on each half of the labels after whitening by the other; NaN for too few."""
    names, numbers = np.unique(labels, return_inverse=True)
    if len(names) < PARTED:
        return math.nan
    rng = np.random.Generator(np.random.PCG64(derive(seed, "halves")))
    half = np.isin(numbers, rng.permutation(len(names))[: len(names) // 2])
    found = []
    for held in (half, ~half):
        change = whitening(rows[~held], labels[~held])
        _, inside = np.unique(labels[held], return_inverse=True)
        trials = draw_trials(inside, np.arange(int(held.sum())), count, seed)
        if not len(trials.first):
            return math.nan
        alike = np.ones((1, len(trials.first)), dtype=np.float32)
        scores = cosines(rows[held] @ change, trials)
        found.append(1 - float(equal_error(scores, trials.same, alike)[0]))
    return float(np.mean(found))


def _moments(features: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation (D,) of features, 1 where a dimension is constant."""
    rows = _dense(features)
    spread = rows.std(0)
    return rows.mean(0), np.where(spread > 1e-6, spread, 1)


def _dense(features: Matrix) -> np.ndarray:
    return np.asarray(features.toarray() if hasattr(features, "toarray") else features)


def _notes(trials: Trials, trained: np.ndarray, others: np.ndarray, apart: bool) -> list[str]:
    """Return sentences on the trials, and on what whitening could learn from."""
    same = int(trials.same.sum())
    found = [
        f"{same:,} trials of one label and {len(trials.first) - same:,} of two, of "
        f"{trials.labels:,} labels."
    ]
    if trials.paired < FEW:
        found.append(
            f"{trials.paired} labels are few: intervals over so few are too narrow; name records "
            "of more."
        )
    if apart and len(others) < len(trained):
        found.append(
            f"{len(trained) - len(others):,} training record(s) are of labels that are tested: the "
            f"covariance is of the {len(others):,} others."
            if len(set(trained[others])) > 1
            else "Training and tested records have the same labels, so nothing is fitted; name "
            "records of other labels with --train for a covariance within labels."
        )
    return found
