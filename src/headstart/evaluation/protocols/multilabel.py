"""Multi-label classification: which of several labels does a record have?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy import sparse

from headstart.config import EvaluateConfig
from headstart.data.groups import groups_of
from headstart.data.vectors import Matrix
from headstart.errors import HeadstartError
from headstart.evaluation.draws import counts_of, draw_seeds
from headstart.evaluation.heads.folds import shuffled
from headstart.evaluation.heads.rows import Scaling, row_space, scalings
from headstart.evaluation.outcomes import Candidate, Metric, Results
from headstart.evaluation.protocols import Protocol
from headstart.evaluation.protocols.measuring import (
    LabeledData,
    Measurement,
    Predict,
    Prediction,
    one_by_one,
)
from headstart.evaluation.protocols.reading import read_several
from headstart.evaluation.protocols.resampling import Sampled
from headstart.evaluation.protocols.scoring import scored
from headstart.seeding import derive

METRIC = Metric("mAP", percent=True)
FEWEST = 4
_DENSE_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_SPARSE_GRID = (0.1, 1.0, 10.0, 100.0)
_STEPS = 200


def measure(data: LabeledData, config: EvaluateConfig) -> Measurement:
    """Fit one logistic regression a label to draws of records; score mAP and micro and macro F1.

    mAP is the mean over labels of the average precision; a label is predicted where its probability
    is above one half. Labels that no test record has, or all have, are excluded.

    Raises:
        HeadstartError: no test records, fewer than two testable labels, or no number of labels
            that can be drawn.
    """
    if data.test is None or not len(data.test):
        raise HeadstartError("several labels a record are not cross-validated; leave out --folds.")
    names, targets, truth, notes = _targets(data.train["label"], data.test["label"], config)
    counts, dropped = counts_of(config, len(targets), FEWEST)
    groups, together = groups_of(data.train), groups_of(data.test)

    def probes(candidate: Candidate) -> dict[str, Predict]:
        train, tested = candidate.train, candidate.test
        if train is None or tested is None:
            return {}
        probe = OneVsRestProbe(train)

        def predict(drawn: np.ndarray, seed: int) -> Prediction:
            rng = np.random.Generator(np.random.PCG64(derive(seed, "penalty")))
            own = None if groups is None else groups[drawn]
            return Prediction(*probe.predict(train[drawn], targets[drawn], tested, rng, own))

        return {"logistic regression": predict}

    return Measurement(
        results=Results(
            task="multilabel",
            metric=METRIC,
            classes=names,
            truth=truth,
            counts=counts,
            notes=notes + dropped,
            training=len(targets),
            seeds=config.seeds,
            groups=0 if together is None else int(together.max()) + 1,
        ),
        probes=probes,
        score=one_by_one(METRIC, lambda rows: score(rows, truth, config.seed, together)),
        seeds=draw_seeds(config, counts),
        draw=lambda count, seed: draw(targets, count, seed),
        trivial=("label frequencies", lambda drawn, seed: _frequencies(targets[drawn], truth)),
    )


PROTOCOL = Protocol(
    "Which of several labels does a record have, learned from few and from many?",
    measure,
    read=read_several,
    headline=lambda found, truth, seed, groups: score(found, truth, seed, groups)[METRIC.name],
)


class OneVsRestProbe:
    """One logistic regression with an L2 penalty per label, all with the same penalty and scaling.

    Both are chosen by cross-validation within the drawn records, by the log loss over all labels.
    The regressions are independent but solved together, which is many times faster; the solutions
    are those of scikit-learn's ``LogisticRegression`` with the same C.

    Args:
        features: (N,D) of all training records.
    """

    def __init__(self, features: Matrix) -> None:
        self._grid = _SPARSE_GRID if sparse.issparse(features) else _DENSE_GRID
        self._scalings = scalings(features)

    def predict(
        self,
        train: Matrix,
        targets: np.ndarray,
        test: Matrix,
        rng: np.random.Generator,
        groups: np.ndarray | None = None,
    ) -> tuple[np.ndarray, float]:
        """Fit on ``train`` (n,D) with ``targets`` (n,L).

        A label that none or all of the drawn records have gets a constant probability.

        Args:
            groups: (n,) int64, records that no fold divides; None where each stands alone.

        Returns:
            The probabilities (m,L) of ``test``, and the cross-validated mAP; NaN where no label
            can be ranked.
        """
        scaling, penalty, validation = self._choose(train, targets, rng, groups)
        rows, back = row_space(scaling(train))
        weights, bias = solve(rows, targets, penalty)
        values = np.asarray(scaling(test) @ back(weights).T) + bias
        found = 1 / (1 + np.exp(-np.clip(values, -50, 50)))
        return found.astype(np.float32), validation

    def _choose(
        self,
        train: Matrix,
        targets: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None,
    ) -> tuple[Scaling, float, float]:
        folds = shuffled(len(targets), min(3, len(targets) // 2), rng, groups)
        best, choice = np.inf, (self._scalings[0], 1.0)
        held_out, kept = np.zeros(targets.shape), np.zeros(targets.shape)
        for scaling in self._scalings:
            rows, _ = row_space(scaling(train))
            previous = np.inf
            for penalty in self._grid:
                total = 0.0
                for fold in range(int(folds.max()) + 1):
                    held = folds == fold
                    weights, bias = solve(rows[~held], targets[~held], penalty)
                    values = held_out[held] = np.asarray(rows[held] @ weights.T) + bias
                    signs = np.where(targets[held], -1, 1)
                    total += float(np.logaddexp(0, signs * values).sum())
                if total < best:
                    best, choice, kept = total, (scaling, penalty), held_out.copy()
                if total > previous:  # the loss is approximately convex along the path
                    break
                previous = total
        return *choice, _mean_precision(kept, targets)


def solve(rows: Matrix, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (L,D) and biases (L,) of L regressions with C = ``penalty``.

    Each minimises |w|^2 / 2 + C sum log(1 + exp(-y (w x + b))), y = +-1. A label that is the same
    in all ``targets`` (n,L) gets zero weights, and the log odds with add-one smoothing as bias.
    """
    from scipy.optimize import minimize

    count, width = rows.shape
    share = (targets.sum(0) + 1) / (count + 2)
    weights, bias = np.zeros((targets.shape[1], width)), np.log(share / (1 - share))
    mixed = np.flatnonzero(targets.any(0) & ~targets.all(0))
    if not len(mixed):
        return weights, bias
    y = targets[:, mixed].astype(np.float64)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat[: len(mixed) * width].reshape(len(mixed), width)
        values = np.asarray(rows @ w.T.astype(rows.dtype), dtype=np.float64) + flat[w.size :]
        wrong = 1 / (1 + np.exp(-np.clip(values, -50, 50))) - y
        losses = np.logaddexp(0, values) - y * values
        slope = penalty * np.asarray(rows.T @ wrong.astype(rows.dtype)).T + w
        total = float(penalty * losses.sum() + (w**2).sum() / 2)
        return total / scale, np.append(slope.ravel(), penalty * wrong.sum(0)) / scale

    scale = max(1.0, penalty * count)
    start = np.append(np.zeros(len(mixed) * width), bias[mixed])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
    weights[mixed] = found[: len(mixed) * width].reshape(len(mixed), width)
    bias[mixed] = found[len(mixed) * width :]
    return weights, bias


def draw(targets: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return ``count`` sorted indices of a random draw, stratified by label.

    Iterative stratification (Sechidis et al. 2011, algorithm 1) into drawn and remaining, rarest
    label first; a rare label gets at least one record while ``count`` allows.

    Args:
        targets: (N,L) bool.
    """
    rng = np.random.Generator(np.random.PCG64(derive(seed, "labels")))
    size = len(targets)
    if count >= size:
        return np.arange(size)
    targets = np.column_stack([targets, ~targets.any(1)])  # having no label counts as a label
    wanted = np.where(targets.any(0), np.maximum(targets.sum(0) * (count / size), 1), 0)
    free = np.ones(size, dtype=bool)
    remaining = targets.sum(0).astype(np.int64)
    drawn: list[int] = []
    while len(drawn) < count and remaining.any():
        label = int(np.where(remaining > 0, remaining, size + 1).argmin())
        indices = rng.permutation(np.flatnonzero(free & targets[:, label]))
        take = min(max(0, round(wanted[label])), len(indices), count - len(drawn))
        # Prefer the label's records with the fewest other labels that are already satisfied.
        cost = targets[indices] @ (wanted <= 0)
        chosen = indices[np.argsort(cost, kind="stable")[:take]]
        drawn += chosen.tolist()
        wanted -= targets[chosen].sum(0)
        free[indices] = False
        remaining = targets[free].sum(0)
    spare = rng.permutation(np.setdiff1d(np.arange(size), drawn))
    return np.sort(np.append(drawn, spare[: count - len(drawn)]).astype(np.int64))


def score(
    probabilities: np.ndarray, truth: np.ndarray, seed: int, groups: np.ndarray | None = None
) -> dict[str, Sampled]:
    """Return mAP, micro and macro F1 of ``probabilities`` (S,N,L) for ``truth`` (N,L).

    Args:
        groups: (N,) of the records, which are resampled as wholes; None where each is alone.
    """
    from sklearn.metrics import average_precision_score, f1_score

    def statistic(counts: np.ndarray) -> np.ndarray:
        return np.stack([_resampled(row, truth, counts) for row in probabilities], axis=1)

    def f1(average: str, truth: np.ndarray, row: np.ndarray) -> float:
        return float(f1_score(truth, row > 0.5, average=average, zero_division=0))

    functions = {
        "mAP": partial(average_precision_score, average="macro"),
        "micro F1": partial(f1, "micro"),
        "macro F1": partial(f1, "macro"),
    }
    return scored(functions, truth, probabilities, statistic, seed, groups=groups)


def _resampled(probabilities: np.ndarray, truth: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the scores (r,3) on each resample ``counts`` (r,N)."""
    precision = np.stack(
        [average_precision(probabilities[:, k], truth[:, k], counts) for k in range(truth.shape[1])]
    )
    predicted = (probabilities > 0.5).astype(np.float32)
    both = counts @ (predicted * truth)
    either = counts @ predicted + counts @ truth.astype(np.float32)
    micro = 2 * both.sum(1) / np.maximum(either.sum(1), 1)
    macro = (2 * both / np.maximum(either, 1)).mean(1)
    return np.stack([precision.mean(0), micro, macro], axis=1)


def average_precision(
    probabilities: np.ndarray, truth: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Return the average precision (r,) of one label on each resample ``counts`` (r,N).

    scikit-learn's function takes one set of weights at a time. Records of equal probability share a
    threshold; it is 0 on a resample without any record of the label.
    """
    order = np.argsort(-probabilities, kind="stable")
    ordered = probabilities[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    counts = counts[:, order]
    right = np.cumsum(counts * truth[order], axis=1)[:, last]
    seen = np.cumsum(counts, axis=1)[:, last]
    steps = np.diff(right, axis=1, prepend=0)
    found: np.ndarray = (steps * right / np.maximum(seen, 1)).sum(1) / np.maximum(right[:, -1], 1)
    return found


def _mean_precision(values: np.ndarray, targets: np.ndarray) -> float:
    """Return the mAP of ``values`` (n,L), over labels that some of the records have."""
    from sklearn.metrics import average_precision_score

    mixed = targets.any(0) & ~targets.all(0)
    if not mixed.any():
        return math.nan
    return float(average_precision_score(targets[:, mixed], values[:, mixed], average="macro"))


def _frequencies(drawn: np.ndarray, truth: np.ndarray) -> Prediction:
    """Predict the share of each label among ``drawn`` (n,L), whose mAP is that of chance."""
    share = drawn.mean(0).astype(np.float32)
    return Prediction(np.broadcast_to(share, truth.shape), float(share.mean()))


def _targets(
    train: Sequence[Sequence[str]], test: Sequence[Sequence[str]], config: EvaluateConfig
) -> tuple[list[str], np.ndarray, np.ndarray, list[str]]:
    """Return the label names, the targets (N,L) and (M,L) bool, and notes on excluded labels."""
    from sklearn.preprocessing import MultiLabelBinarizer

    binarizer = MultiLabelBinarizer().fit(train)
    known = set(binarizer.classes_)
    unseen = {label for labels in test for label in labels} - known
    notes = []
    if unseen:
        notes.append(
            f"{len(unseen):,} label(s) of the test records are never seen in the training records "
            f"and were left out, such as {min(unseen)!r}."
        )
    targets = binarizer.transform(train).astype(bool)
    truth = binarizer.transform([[x for x in labels if x in known] for labels in test]).astype(bool)
    testable = truth.any(0) & ~truth.all(0)
    if testable.sum() < 2:
        raise HeadstartError(
            f"{config.test or config.train}: {int(testable.sum())} label(s) can be tested; two or "
            "more are needed that some test records have and others have not; check "
            "--label-separator, or use --task classification where each record has one label."
        )
    if not testable.all():
        notes.append(f"{int((~testable).sum()):,} label(s) that no test record has were left out.")
    names = [str(name) for name in binarizer.classes_[testable]]
    return names, targets[:, testable], truth[:, testable], notes
