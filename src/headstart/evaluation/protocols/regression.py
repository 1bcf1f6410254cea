"""Regression: how well do frozen features predict a number, with few labels and with many?"""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import sparse

from headstart.config import EvaluateConfig
from headstart.data.groups import groups_of
from headstart.data.vectors import Matrix
from headstart.errors import HeadstartError
from headstart.evaluation.draws import counts_of, draw, draw_seeds
from headstart.evaluation.heads.folds import cross_fitted, shuffled
from headstart.evaluation.heads.rows import row_space, scalings
from headstart.evaluation.outcomes import Candidate, Metric, Results
from headstart.evaluation.protocols import Protocol
from headstart.evaluation.protocols.measuring import (
    LabeledData,
    Measurement,
    Predict,
    Prediction,
    one_by_one,
)
from headstart.evaluation.protocols.reading import numbered, read_labeled
from headstart.evaluation.protocols.resampling import Sampled, correlation, ranks
from headstart.evaluation.protocols.scoring import scored

METRIC = Metric("R2", percent=False)
#: Minimum number of labels for a fit.
FEWEST = 5
#: Number of folds of the records that a penalty is chosen by.
FOLDS = 3
#: Number of quantile bins of the labels that draws are stratified by.
STRATA = 10
_DENSE_GRID = np.logspace(-2, 6, 17)
_SPARSE_GRID = np.logspace(-2, 2, 9)


def measure(data: LabeledData, config: EvaluateConfig) -> Measurement:
    """Fit ridge regression to draws of labels; score R2, Spearman's correlation and the MAE.

    Draws are stratified by the value of the label, and are the same for all candidates. The mean
    absolute error, in the unit of the label, is the only score that is better when lower.

    Raises:
        HeadstartError: no test records, all labels are equal, or no number can be drawn.
    """
    if data.test is None or not len(data.test):
        raise HeadstartError("a regression is not cross-validated; leave out --folds.")
    parts = (data.train, data.test)
    targets, truth = (np.asarray(part["label"], dtype=np.float64) for part in parts)
    for name, values in ((config.train, targets), (config.test or config.train, truth)):
        if len(np.unique(values)) < 2:
            found = "all labels are equal" if len(values) > 1 else "it has one labeled record"
            raise HeadstartError(
                f"{name}: {found}, but a regression needs different numbers; check --column "
                "label=COLUMN, or label more records."
            )
    counts, notes = counts_of(config, len(targets), FEWEST)
    strata, groups, together = _strata(targets), groups_of(data.train), groups_of(data.test)

    def probes(candidate: Candidate) -> dict[str, Predict]:
        train, tested = candidate.train, candidate.test
        if train is None or tested is None:
            return {}
        probe = RidgeProbe(train)
        return {
            "ridge regression": lambda drawn, seed: Prediction(
                *probe.predict(
                    train[drawn],
                    targets[drawn],
                    tested,
                    None if groups is None else groups[drawn],
                )
            )
        }

    return Measurement(
        results=Results(
            task="regression",
            metric=METRIC,
            truth=truth,
            counts=counts,
            notes=notes,
            training=len(targets),
            seeds=config.seeds,
            groups=0 if together is None else int(together.max()) + 1,
        ),
        probes=probes,
        score=one_by_one(METRIC, lambda rows: score(rows, truth, config.seed, together)),
        seeds=draw_seeds(config, counts),
        draw=lambda count, seed: draw(strata, count, seed),
        trivial=("the mean", lambda drawn, seed: _mean(targets[drawn], len(truth))),
    )


PROTOCOL = Protocol(
    "How well is a number predicted, with few labels and with many?",
    measure,
    read=partial(read_labeled, keep=numbered),
    headline=lambda found, truth, seed, groups: score(found, truth, seed, groups)[METRIC.name],
)


class RidgeProbe:
    """Linear regression with an L2 penalty.

    The penalty, and of dense features the scaling, are chosen by cross-validation inside the
    training labels: leave-one-out in closed form (Golub, Heath and Wahba 1979), or three random
    folds for many sparse rows and where records are grouped. The scalings are those of
    :class:`headstart.evaluation.heads.logistic.LogisticRegression`.

    Args:
        features: (N,D) of all training records.
    """

    def __init__(self, features: Matrix) -> None:
        self._scalings = scalings(features)

    def predict(
        self,
        train: Matrix,
        targets: np.ndarray,
        test: Matrix,
        groups: np.ndarray | None = None,
    ) -> tuple[np.ndarray, float]:
        """Fit on ``train`` (n,D) with ``targets`` (n,).

        Args:
            groups: (n,) int64, records that no fold divides, so that none is predicted from a copy.

        Returns:
            The values (m,) of ``test``, and the cross-validated R2 of the choice: see
            :func:`headstart.evaluation.heads.folds.cross_fitted`.
        """
        from sklearn.linear_model import Ridge

        middle, spread = targets.mean(), targets.std() or 1.0
        scaled = (targets - middle) / spread
        parts = shuffled(len(scaled), FOLDS, np.random.default_rng(0), groups)
        grid = _SPARSE_GRID if sparse.issparse(train) else _DENSE_GRID
        spanned = [row_space(scaling(train)) for scaling in self._scalings]
        alone = groups is None
        errors = [_errors(rows, scaled, parts, grid, alone=alone) for rows, _ in spanned]
        best, total = cross_fitted(-np.concatenate(errors))
        which, penalty = divmod(best, len(grid))
        rows, back = spanned[which]
        model = Ridge(grid[penalty]).fit(rows, scaled)
        weights = back(model.coef_[None])
        found = np.asarray(self._scalings[which](test) @ weights.T)[:, 0] + model.intercept_
        # The targets are scaled to a variance of 1, so that 1 - MSE is R2.
        return np.asarray(found * spread + middle, dtype=np.float64), 1.0 + total / len(scaled)


def _errors(
    rows: Matrix, targets: np.ndarray, parts: np.ndarray, grid: np.ndarray, *, alone: bool
) -> np.ndarray:
    """Return the sums (P,F) of squared errors of penalties, by cross-validation, in each fold.

    Args:
        parts: (n,) the fold of each record.
        alone: whether a dense record may be predicted from all others, of its own fold too.
    """
    from sklearn.linear_model import Ridge, RidgeCV

    found = np.empty((len(grid), int(parts.max()) + 1))
    if alone and not sparse.issparse(rows):
        each = RidgeCV(grid, store_cv_results=True).fit(rows, targets).cv_results_
        for part in range(found.shape[1]):
            found[:, part] = each[parts == part].sum(0)
        return found
    for part in range(found.shape[1]):
        held = parts == part
        for number, penalty in enumerate(grid):
            model = Ridge(penalty).fit(rows[~held], targets[~held])
            found[number, part] = np.square(model.predict(rows[held]) - targets[held]).sum()
    return found


def score(
    predictions: np.ndarray, truth: np.ndarray, seed: int, groups: np.ndarray | None = None
) -> dict[str, Sampled]:
    """Return R2, Spearman and MAE of ``predictions`` (S,N) of ``truth`` (N,) in ``groups`` (N,)."""
    from sklearn.metrics import mean_absolute_error, r2_score

    centred = truth - truth.mean()

    def statistic(counts: np.ndarray) -> np.ndarray:
        total = counts.sum(1)
        spread = counts @ centred**2 - (counts @ centred) ** 2 / total
        usual = total * truth.var()
        # R2 is undefined on a resample of equal labels, which takes the spread of all of them.
        spread = np.where(spread > 1e-9 * usual, spread, usual)
        true_ranks = ranks(truth, counts)
        parts = [
            np.stack(
                [
                    1 - (counts @ (row - truth) ** 2) / spread,
                    correlation(ranks(row, counts), true_ranks, counts),
                    (counts @ abs(row - truth)) / total,
                ],
                axis=1,
            )
            for row in predictions
        ]
        return np.stack(parts, axis=1)

    def spearman(truth: np.ndarray, row: np.ndarray) -> float:
        from scipy.stats import spearmanr

        return float(spearmanr(truth, row).statistic) if len(np.unique(row)) > 1 else 0.0

    functions = {"R2": r2_score, "Spearman": spearman, "MAE": mean_absolute_error}
    bounds = {"R2": (-np.inf, 1.0), "Spearman": (-1.0, 1.0), "MAE": (0.0, np.inf)}
    return scored(functions, truth, predictions, statistic, seed, bounds, groups)


def _mean(drawn: np.ndarray, tested: int) -> Prediction:
    # Without a record, the mean is further from it by n / (n - 1).
    validation = 1 - (len(drawn) / (len(drawn) - 1)) ** 2
    return Prediction(np.full(tested, drawn.mean()), validation)


def _strata(targets: np.ndarray) -> np.ndarray:
    """Return the quantile bin (N,) of each label."""
    parts = min(STRATA, FEWEST, len(targets) // FEWEST) or 1
    edges = np.unique(np.quantile(targets, np.linspace(0, 1, parts + 1)[1:-1]))
    return np.unique(np.searchsorted(edges, targets, side="right"), return_inverse=True)[1]
