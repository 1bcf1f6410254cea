"""Few-shot episodes: many small tests of N classes with K examples each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import sparse

from headstart.config import EvaluateConfig
from headstart.data.groups import groups_of
from headstart.data.vectors import Matrix, unit_length
from headstart.errors import HeadstartError
from headstart.evaluation.heads.rows import row_space
from headstart.evaluation.outcomes import Candidate, Metric, Results
from headstart.evaluation.protocols import Protocol
from headstart.evaluation.protocols.measuring import (
    LabeledData,
    Measurement,
    Predict,
    Prediction,
    one_by_one,
)
from headstart.evaluation.protocols.resampling import averaged
from headstart.seeding import derive

METRIC = Metric("accuracy", percent=True)
#: Most queries of each class in an episode, as in Snell et al. 2017.
QUERIES = 15


class Episode(NamedTuple):
    """An episode: indices of records, and their classes within the episode, 0..N-1."""

    support: np.ndarray
    support_classes: np.ndarray
    queries: np.ndarray
    query_classes: np.ndarray


def measure(data: LabeledData, config: EvaluateConfig) -> Measurement:
    """Score ``config.episodes`` episodes of ``config.ways`` classes at each number of shots.

    An episode has K support examples of each of N classes, and up to 15 queries of each (Vinyals et
    al. 2016, https://arxiv.org/abs/1606.04080), which are classified by the nearest prototype, the
    mean of a class (Snell et al. 2017, https://arxiv.org/abs/1703.05175), and by logistic
    regression. Examples are training records and queries test records. All candidates get the same
    episodes; intervals are over episodes.

    Raises:
        HeadstartError: fewer than two classes have enough records.
    """
    alone = data.test is None
    labels = np.asarray(data.train["label"], dtype=str)
    test_labels = labels if alone else np.asarray(data.tested["label"], dtype=str)
    shots = _shots(config)
    groups = groups_of(data.train) if alone else None
    classes, notes = _classes(labels, test_labels, max(shots), alone, config, groups)
    ways = min(config.ways, len(classes))
    if ways < config.ways:
        notes.append(f"There are {ways} classes, so episodes have {ways} instead of {config.ways}.")
    support = [np.flatnonzero(labels == name) for name in classes]
    queries = None if alone else [np.flatnonzero(test_labels == name) for name in classes]

    def draw(count: int, shot: int) -> list[Episode]:
        return list(episodes(support, queries, ways, shot, config.episodes, config.seed, groups))

    def probes(candidate: Candidate) -> dict[str, Predict]:
        if candidate.train is None:
            return {}
        rows = _prepared(candidate, alone)
        return {name: partial(_shares, classify, *rows) for name, classify in _PROBES.items()}

    return Measurement(
        results=Results(
            task="fewshot",
            metric=METRIC,
            truth=np.arange(config.episodes),
            counts={ways * shot: f"{ways}-way {shot}-shot" for shot in shots},
            notes=notes,
            training=len(labels),
            unit="episodes",
        ),
        probes=probes,
        score=one_by_one(
            METRIC, lambda rows: {METRIC.name: averaged(rows, config.seed)}, predictions=False
        ),
        seeds={ways * shot: [shot] for shot in shots},
        draw=draw,
    )


PROTOCOL = Protocol(
    "How often is a class recognised after one example or five?",
    measure,
    split=None,
    draws=True,
    classes=True,
)


def episodes(
    support: list[np.ndarray],
    queries: list[np.ndarray] | None,
    ways: int,
    shots: int,
    count: int,
    seed: int,
    groups: np.ndarray | None = None,
) -> Iterator[Episode]:
    """Yield ``count`` random episodes, determined by the seed and the sizes.

    Args:
        support: for each class, indices of the records that examples are drawn from.
        queries: the same for queries; None draws them from the rest of the support.
        groups: (N,) of the records that examples are drawn from; no query is of the group of an
            example. None where each stands alone.

    Raises:
        HeadstartError: no query of an episode is left.
    """
    for number in range(count):
        rng = np.random.Generator(np.random.PCG64(derive(seed, "episode", ways, shots, number)))
        examples, queried = [], []
        for index in rng.permutation(len(support))[:ways]:
            drawn = rng.permutation(support[index])
            examples.append(drawn[:shots])
            rest = drawn[shots:] if queries is None else rng.permutation(queries[index])
            queried.append(rest)
        if groups is not None:
            seen = groups[np.concatenate(examples)]
            queried = [rest[~np.isin(groups[rest], seen)] for rest in queried]
            if not sum(map(len, queried)):
                raise HeadstartError(
                    "every record beside the examples of an episode is of their groups; ask for "
                    "fewer with --shots or --ways, or label records of other groups."
                )
        queried = [rest[:QUERIES] for rest in queried]
        sizes = [len(indices) for indices in queried]
        yield Episode(
            np.concatenate(examples),
            np.repeat(np.arange(ways), shots),
            np.concatenate(queried),
            np.repeat(np.arange(ways), sizes),
        )


def prototypes(support: Matrix, classes: np.ndarray, queries: Matrix) -> np.ndarray:
    """Return the class (q,) whose mean example is nearest to each of ``queries`` (q,D).

    Nearest by squared Euclidean distance, as in section 2.3 of Snell et al. 2017.
    """
    members = np.eye(int(classes.max()) + 1, dtype=np.float32)[classes]
    means = sparse.csr_matrix((members / members.sum(0)).T) @ support
    squared = means.multiply(means).sum(1) if sparse.issparse(means) else (means**2).sum(1)
    product = queries @ means.T
    product = product.toarray() if sparse.issparse(product) else product
    return np.asarray((np.asarray(squared).ravel() - 2 * product).argmin(1))


def regression(support: Matrix, classes: np.ndarray, queries: Matrix) -> np.ndarray:
    """Return the class (q,) of each query by logistic regression with C = 1.

    One example per class does not suffice to choose a penalty.
    """
    from sklearn.linear_model import LogisticRegression

    small, back = row_space(support)
    model = LogisticRegression(max_iter=200)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes")  # few labels are usual
        model.fit(small, classes)
    values = np.asarray(queries @ back(model.coef_).T) + model.intercept_
    return (values[:, 0] > 0).astype(np.int64) if values.shape[1] == 1 else values.argmax(1)


_Classify = Callable[[Matrix, np.ndarray, Matrix], np.ndarray]
_PROBES: dict[str, _Classify] = {"logistic regression": regression, "prototypes": prototypes}


def _shares(
    classify: _Classify, train: Matrix, test: Matrix, drawn: list[Episode], seed: int
) -> Prediction:
    """Return the accuracy (E,) on the queries of each episode."""
    shares = []
    for episode in drawn:
        support, queries = train[episode.support], test[episode.queries]
        found = classify(support, episode.support_classes, queries)
        shares.append(float((found == episode.query_classes).mean()))
    return Prediction(np.array(shares))


def _prepared(candidate: Candidate, alone: bool) -> tuple[Matrix, Matrix]:
    """Return features centred on the training records and normalised; sparse ones uncentred.

    Wang et al. 2019, "SimpleShot: Revisiting Nearest-Neighbor Classification for Few-Shot
    Learning", https://arxiv.org/abs/1911.04623, section 3.2; then scaled to a variance of 1, for
    the fixed penalty.
    """
    train: Matrix = candidate.train
    test: Matrix = train if alone else candidate.test
    if sparse.issparse(train):
        return unit_length(train), unit_length(test)
    middle = train.mean(0)
    scale = np.float32(np.sqrt(train.shape[1]))
    return unit_length(train - middle) * scale, unit_length(test - middle) * scale


#: Most digits of a number of examples; Python refuses to read one of thousands.
_DIGITS = 9


def _shots(config: EvaluateConfig) -> list[int]:
    for text in config.shots:
        if not text.strip().isdecimal() or len(text) > _DIGITS or int(text) < 1:
            raise HeadstartError(
                f"option 'shots': {text!r} is no number of examples; write for example 1,5."
            )
    return sorted({int(text) for text in config.shots})


def _classes(
    labels: np.ndarray,
    test_labels: np.ndarray,
    shots: int,
    alone: bool,
    config: EvaluateConfig,
    groups: np.ndarray | None,
) -> tuple[list[str], list[str]]:
    """Return the classes with enough records for every episode, and notes on excluded ones."""
    needed = shots + 1 if alone else shots
    units = np.arange(len(labels)) if groups is None else groups
    names, codes = np.unique(labels, return_inverse=True)
    # Copies, and records of one group, count once: an example leaves none of them as a query.
    sizes = np.bincount(np.unique(np.stack([codes, units], axis=1), axis=0)[:, 0])
    known = set(test_labels.tolist())
    kept = [str(n) for n, size in zip(names, sizes, strict=True) if size >= needed and n in known]
    if len(kept) < 2:
        raise HeadstartError(
            f"{config.train}: {len(kept)} class(es) have the {needed} records that {shots} shots "
            "need; ask for fewer with --shots, or label more records."
        )
    left = len(names) - len(kept)
    return kept, [f"{left:,} class(es) have too few records for {shots} shots."] if left else []
