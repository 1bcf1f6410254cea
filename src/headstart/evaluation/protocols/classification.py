"""Classification: how often is the label right, after few labels and after many?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from headstart.config import EvaluateConfig
from headstart.data.groups import groups_of
from headstart.data.labels import check_classes
from headstart.data.split import folds
from headstart.data.store import stream
from headstart.data.vectors import Matrix
from headstart.errors import HeadstartError
from headstart.evaluation.draws import draw, draw_seeds, label_counts
from headstart.evaluation.heads import HEADS, Head
from headstart.evaluation.heads.auto import BLOCKWISE
from headstart.evaluation.heads.chosen import Chosen, Selection
from headstart.evaluation.heads.foreseen import foreseen
from headstart.evaluation.heads.propagation import is_few
from headstart.evaluation.heads.sides import Names
from headstart.evaluation.metrics import estimates
from headstart.evaluation.outcomes import ACCURACY, Candidate, Outcome, Results
from headstart.evaluation.protocols import Protocol
from headstart.evaluation.protocols.measuring import (
    LabeledData,
    Measurement,
    Predict,
    Predicted,
    Prediction,
)
from headstart.evaluation.protocols.resampling import averaged, resample
from headstart.seeding import derive

#: From indices (n,) of training records, their classes (n,), indices (m,) of tested records and a
#: seed to the classes (m,) of the tested, and the accuracy by cross-validation.
_Predict = Callable[[np.ndarray, np.ndarray, np.ndarray, int], Prediction]
#: Indices of training records that labels may be drawn from, and of records to test.
Part = tuple[np.ndarray, np.ndarray]


def measure(data: LabeledData, config: EvaluateConfig) -> Measurement:
    """Score all candidates with few labels and with many, each with its heads.

    At each number of labels there are ``config.seeds`` stratified draws, the same for all
    candidates, but a single one of all labels. With ``config.folds`` the training records are
    cross-validated: labels are drawn outside each fold, and ``test`` must be None.

    Raises:
        HeadstartError: one class only, a test label that no training record has, fewer records
            of a label than folds, or no number of labels that can be drawn.
    """
    train_labels = list(stream(data.train, "label"))
    test_labels = [] if data.test is None else list(stream(data.test, "label"))
    names = _classes(train_labels, test_labels, config)
    targets = np.searchsorted(names, np.asarray(train_labels, dtype=str))
    truth = targets if config.folds else np.searchsorted(names, np.asarray(test_labels, dtype=str))
    groups = groups_of(data.train)
    together = groups_of(data.tested)
    parts = _parts(train_labels, len(truth), config, groups)
    available = min(len(indices) for indices, _ in parts)
    counts, notes = label_counts(config.labels, available, len(names), at_most=config.quick)

    def drawn(count: int, seed: int) -> list[Part]:
        return [(from_[draw(targets[from_], count, seed)], to) for from_, to in parts]

    def predicting(predict: _Predict) -> Predict:
        def row(drawn: list[Part], seed: int) -> Prediction:
            found = np.empty(len(truth), dtype=np.int32)
            validation: list[float] = []
            selections: list[Selection] = []
            for learned, tested in drawn:
                part = predict(learned, targets[learned], tested, seed)
                found[tested] = part.values
                validation.append(part.validation)
                selections += part.selections
            return Prediction(found, float(np.mean(validation)), tuple(selections))

        return row

    def probes(candidate: Candidate) -> dict[str, Predict]:
        known = _probes(candidate, names, bool(config.folds), groups)
        return {name: predicting(predict) for name, predict in known.items()}

    return Measurement(
        results=Results(
            task="classification",
            metric=ACCURACY,
            classes=[str(name) for name in names],
            truth=truth,
            counts=counts,
            notes=notes,
            training=len(targets),
            seeds=config.seeds,
            folds=config.folds,
            groups=0 if together is None else int(together.max()) + 1,
        ),
        probes=probes,
        score=lambda found: _outcomes(found, truth, len(names), config.seed, together),
        seeds=draw_seeds(config, counts),
        draw=drawn,
        heads=True,
        # No blocks to weigh, and many labels: nothing is left to choose among.
        applies=lambda candidate, head, labels: (
            head != "auto"
            or (len(candidate.blocks) > 1 and len(names) <= BLOCKWISE)
            or is_few(labels, len(targets))
        ),
        seconds=lambda candidate, head, labels, draws: _seconds(
            candidate, head, labels, draws, len(names), len(truth)
        ),
        trivial=("majority class", predicting(_majority)),
    )


PROTOCOL = Protocol(
    "How often is the label right, with few labels and with many?",
    measure,
    split="by class",
    folds=True,
    networks=True,
    names=True,
    classes=True,
    headline=lambda found, truth, seed, groups: averaged(found == truth, seed, groups),
    how="Features are frozen; the penalty of every classifier and the scaling are chosen by "
    "cross-validation inside the drawn labels, and so is what the head auto uses. kNN: up to 200 "
    "neighbours by cosine, weight exp(s / 0.1).",
)


def _outcomes(
    found: list[Predicted],
    truth: np.ndarray,
    classes: int,
    seed: int,
    groups: np.ndarray | None,
) -> list[Outcome]:
    """Score predictions; all outcomes are resampled together in one pass.

    Args:
        groups: (N,) of the tested records, which are resampled as wholes; None where each is alone.
    """
    right = np.concatenate([each.rows == truth for each in found]).astype(np.float32)
    resampled = resample(
        len(truth), seed, lambda counts: counts @ right.T / counts.sum(1, keepdims=True), groups
    ).T
    ends = np.cumsum([len(each.rows) for each in found])[:-1]
    parts = np.split(resampled, ends)
    outcomes = []
    for each, of_probe in zip(found, parts, strict=True):
        outcomes.append(
            Outcome(
                candidate=each.candidate.name,
                kind=each.candidate.kind,
                repeats=each.candidate.repeats,
                joined_with=each.candidate.joined_with,
                parts=each.candidate.parts,
                probe=each.probe,
                labels=each.labels,
                predictions=each.rows,
                scores=estimates(truth, each.rows, classes, _rng(seed, "bootstrap"), groups),
                by_draw=(each.rows == truth).mean(1),
                by_resample=of_probe,
                validation=each.validation,
                selections=each.selections,
            )
        )
    return outcomes


def _classes(
    train_labels: Sequence[str], test_labels: Sequence[str], config: EvaluateConfig
) -> np.ndarray:
    """Return the sorted label names (K,) of the training records, which the test must share."""
    train, test = set(train_labels), set(test_labels)
    check_classes(train, config.train)
    unseen = sorted(test - train)
    if unseen:
        others = f" and {len(unseen) - 1:,} more" if len(unseen) > 1 else ""
        raise HeadstartError(
            f"{config.test or config.train}: the label {unseen[0]!r}{others} of the test records "
            "is never seen in the training records; correct it, or label training records with it."
        )
    return np.array(sorted(train), dtype=str)


def _parts(
    train_labels: Sequence[str], tested: int, config: EvaluateConfig, groups: np.ndarray | None
) -> list[Part]:
    if config.folds == 1:
        raise HeadstartError("option 'folds': one fold leaves nothing to train on; use 2 or more.")
    if config.folds:
        seed = derive(config.seed, "folds")
        return folds(train_labels, config.folds, seed, config.train, groups)
    if not tested:
        raise HeadstartError(
            f"{config.test or config.train}: there is no labeled test record; name a file with "
            "--test, or cross-validate with --folds 5."
        )
    return [(np.arange(len(train_labels)), np.arange(tested))]


def _probes(
    candidate: Candidate, names: np.ndarray, cross_validated: bool, groups: np.ndarray | None
) -> dict[str, _Predict]:
    if candidate.fit_predict is not None:
        return {"own head": _own_head(candidate.fit_predict, names)}
    train = candidate.train
    test = train if cross_validated else candidate.test
    if train is None or test is None:
        raise ValueError(f"{candidate.name}: features of training and test records are needed")

    def predicting(head: Head) -> _Predict:
        def predict(
            drawn: np.ndarray, classes: np.ndarray, tested: np.ndarray, seed: int
        ) -> Prediction:
            together = {} if groups is None else {"groups": groups[drawn]}
            fitted = head.fit(_rows(train, drawn), classes, _rng(seed, "penalty"), **together)
            chosen = (fitted.selection,) if isinstance(fitted, Chosen) else ()
            return Prediction(fitted.predict(_rows(test, tested)), fitted.validation, chosen)

        return predict

    named = _names(candidate, names)
    heads: dict[str, Head] = {
        name: HEADS[name](train) for name in candidate.heads if name != "auto"
    }
    if "auto" in candidate.heads:
        regression = heads.get("logistic regression")
        heads["auto"] = HEADS["auto"](
            train, names=named, blocks=candidate.blocks, regression=regression
        )
    able = {
        name
        for name, head in heads.items()
        if head.most_classes is None or len(names) <= head.most_classes
    }
    return {name: predicting(heads[name]) for name in candidate.heads if name in able}


def _names(candidate: Candidate, classes: np.ndarray) -> Names | None:
    """Return the class names of a candidate, as examples of the ``classes`` (K,)."""
    if candidate.names is None:
        return None
    return Names(np.asarray(candidate.names), np.searchsorted(classes, np.array(candidate.named)))


def _seconds(
    candidate: Candidate, head: str, labels: int, draws: int, classes: int, tested: int
) -> float:
    """Return about how long a head takes; 0 where it is not known."""
    if candidate.train is None:
        return 0.0
    blocks = max(1, len(candidate.blocks)) if classes <= BLOCKWISE else 1
    train = candidate.train
    needed = foreseen({labels: draws}, classes, train, [head], tested=tested, blocks=blocks)
    return needed.seconds


def _majority(drawn: np.ndarray, classes: np.ndarray, tested: np.ndarray, seed: int) -> Prediction:
    """Predict the most frequent class of the drawn labels."""
    sizes = np.bincount(classes)
    most = np.full(len(tested), sizes.argmax())
    return Prediction(most, float(sizes.max() / len(classes)))


def _rows(features: Matrix, indices: np.ndarray) -> Matrix:
    """Return the rows at sorted indices, without a copy if these are all rows."""
    return features if len(indices) == features.shape[0] else features[indices]


def _own_head(
    fit_predict: Callable[[np.ndarray, int], Sequence[str]], names: np.ndarray
) -> _Predict:
    def predict(
        drawn: np.ndarray, classes: np.ndarray, tested: np.ndarray, seed: int
    ) -> Prediction:
        found = np.searchsorted(names, np.asarray(fit_predict(drawn, seed), dtype=str))
        return Prediction(found[tested])

    return predict


def _rng(seed: int, purpose: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(derive(seed, purpose)))
