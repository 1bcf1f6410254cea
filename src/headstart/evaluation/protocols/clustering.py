"""Clustering: do clusters that are found without labels agree with the labels?"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import sparse

from headstart.config import EvaluateConfig
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
from headstart.evaluation.protocols.scoring import scored
from headstart.seeding import derive

METRIC = Metric("NMI", percent=True)
#: Dimensions that sparse features are reduced to, which makes k-means much faster.
TOPICS = 100
#: Initialisations of k-means per seed, of which the best is taken.
STARTS = 3
#: Number of records beyond which mini-batch k-means is used.
WHOLE = 20_000


def measure(data: LabeledData, config: EvaluateConfig) -> Measurement:
    """Find as many clusters as there are labels, with k-means; score NMI and ARI.

    Features are normalised, so that distances follow cosines. Each of ``config.seeds`` seeds gives
    the best of three initialisations (k-means++); intervals cover the seeds and the tested records.
    NMI is normalised by the arithmetic mean (Strehl and Ghosh 2002; Vinh et al. 2010), ARI is that
    of Hubert and Arabie 1985.

    Raises:
        HeadstartError: there is a single label, or a different one for each record.
    """
    names, truth = np.unique(np.asarray(data.tested["label"], dtype=str), return_inverse=True)
    if not 1 < len(names) < len(truth):
        found = "a label of its own" if len(names) > 1 else f"the label {str(names[0])!r}"
        raise HeadstartError(
            f"{config.test or config.train}: each of the {len(truth):,} records has {found}, so "
            "there are no clusters to find; check --column label=COLUMN."
        )

    def probes(candidate: Candidate) -> dict[str, Predict]:
        features = data.features(candidate)
        if features is None:
            return {}
        rows = _dense(unit_length(features), derive(config.seed, "topics"))
        return {"k-means": lambda drawn, seed: Prediction(_clusters(rows, len(names), seed))}

    return Measurement(
        results=Results(
            task="clustering",
            metric=METRIC,
            classes=[str(name) for name in names],
            truth=truth,
            notes=[f"k-means looked for {len(names):,} clusters, with {config.seeds} seeds."],
            training=len(data.train),
            seeds=config.seeds,
        ),
        probes=probes,
        score=one_by_one(METRIC, lambda found: score(found, truth, config.seed)),
        seeds={0: [derive(config.seed, "clusters", number) for number in range(config.seeds)]},
    )


PROTOCOL = Protocol(
    "Do clusters that are found without labels agree with the labels?",
    measure,
    split=None,
    alone=True,
    how="No label is used to find the clusters; labels only score them.",
)


def _dense(rows: Matrix, seed: int) -> np.ndarray:
    """Return sparse features in few dimensions, normalised again."""
    if not sparse.issparse(rows):
        return np.asarray(rows)
    from sklearn.decomposition import TruncatedSVD

    size = min(TOPICS, min(rows.shape) - 1)
    if size < 2:
        return rows.toarray()
    return np.asarray(
        unit_length(TruncatedSVD(size, random_state=seed % 2**32).fit_transform(rows))
    )


def _clusters(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    options: dict[str, Any] = {"n_clusters": count, "n_init": STARTS, "random_state": seed % 2**32}
    means = (
        KMeans(**options, max_iter=100)
        if len(rows) <= WHOLE
        else MiniBatchKMeans(**options, batch_size=4096)
    )
    with warnings.catch_warnings():  # fewer different records than clusters
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(means.fit_predict(rows), dtype=np.int32)


def score(found: np.ndarray, truth: np.ndarray, seed: int) -> dict[str, Sampled]:
    """Return NMI and ARI of clusterings (S,N) with the labels (N,)."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    functions = {"NMI": normalized_mutual_info_score, "ARI": adjusted_rand_score}
    rows = _members(truth)

    def statistic(counts: np.ndarray) -> np.ndarray:
        of_rows = counts @ rows
        parts = [
            agreement(
                of_rows,
                counts @ _members(row),
                counts @ _members(truth * (int(row.max()) + 1) + row),
            )
            for row in found
        ]
        return np.stack(parts, axis=1)

    return scored(functions, truth, found, statistic, seed, {"ARI": (-1.0, 1.0)})


def _members(codes: np.ndarray) -> Any:
    """Return the one-hot matrix (N,U), sparse, of the codes that occur."""
    _, columns = np.unique(codes, return_inverse=True)
    ones = np.ones(len(codes), dtype=np.float32)
    return sparse.csr_matrix((ones, (np.arange(len(codes)), columns)))


def agreement(rows: np.ndarray, columns: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """Return (R,2), NMI and ARI of R contingency tables.

    scikit-learn's functions, which compute the scores themselves, take one pair of labelings at a
    time; this is for hundreds of resamples.

    Args:
        rows, columns: (R,K) and (R,C), the marginal sums of the tables.
        joint: (R,U), the cells of the tables; zeros may be left out.
    """
    rows, columns, joint = (part.astype(np.float64) for part in (rows, columns, joint))
    total = rows.sum(-1)
    entropies = [_entropy(part, total) for part in (rows, columns, joint)]
    mean = (entropies[0] + entropies[1]) / 2
    shared = np.maximum(entropies[0] + entropies[1] - entropies[2], 0)
    nmi = np.divide(shared, mean, out=np.ones_like(mean), where=mean > 0)
    pairs = [_pairs(part).sum(-1) for part in (rows, columns, joint)]
    expected = pairs[0] * pairs[1] / np.maximum(_pairs(total), 1)
    most = (pairs[0] + pairs[1]) / 2
    ari = np.divide(
        pairs[2] - expected, most - expected, out=np.ones_like(most), where=most > expected
    )
    return np.stack([nmi, ari], axis=-1)


def _entropy(counts: np.ndarray, total: np.ndarray) -> np.ndarray:
    share = counts / total[..., None]
    return -np.where(share > 0, share * np.log(np.where(share > 0, share, 1)), 0).sum(-1)


def _pairs(counts: np.ndarray) -> np.ndarray:
    return counts * (counts - 1) / 2
