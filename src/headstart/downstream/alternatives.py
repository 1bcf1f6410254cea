"""What a fine-tuned run is compared with: simple models of the same training labels.

Each task brings its own (:meth:`headstart.downstream.Task.alternatives`), scored as the task is and
on the same held-out records. Tasks with one label, several labels or a number for a record have
the strongest simple features of the kind of data, under a linear model.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.vectors import Matrix
from headstart.downstream.classes import class_indices
from headstart.downstream.frozen import even_indices
from headstart.errors import HeadstartError
from headstart.evaluation.heads import HEADS
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.downstream import Task
    from headstart.modalities import Modality
    from headstart.run import RunFolder

#: An alternative and its scores.
Alternative = tuple[str, dict[str, float]]
#: Seconds that all alternatives of a run may take, and after which no further one is begun.
SECONDS, ENOUGH = 180.0, 60.0
#: Alternatives that are told; the run keeps the scores of all.
_TOLD = 3
#: Most training records of an alternative.
MOST = 20_000


def compare_with_alternatives(
    head: Task,
    modality: Modality,
    train: Dataset,
    held: Dataset,
    run: RunFolder,
    say: Callable[[str], None],
) -> None:
    """Measure the alternatives of a task, and write their scores beside those of the run.

    The run is finished by then: whatever happens to an alternative, it is only left out. One that
    takes too long is not waited for.
    """
    found: list[Alternative] = []
    lines: list[str] = []

    def measure() -> None:
        try:
            head.modality = modality
            measured = head.alternatives(train, held)
            if measured:
                lines.append(described(run.resolved["scores"], measured, len(held)))
            found.extend(measured)
        except Exception as error:
            plain = isinstance(error, HeadstartError)
            why = str(error) if plain else f"{type(error).__name__}: {error}"
            lines.append(
                f"The simple alternatives could not be measured ({why}); the run itself is whole."
            )

    thread = threading.Thread(target=measure, daemon=True)
    thread.start()
    thread.join(SECONDS)
    if thread.is_alive():
        say(f"The simple alternatives took longer than {SECONDS:.0f} s and are left out.")
        return
    if found:
        run.resolve(alternatives=dict(found))
    for line in lines:
        say(line)


def described(scores: dict[str, float], found: list[Alternative], tested: int) -> str:
    """Return a line with the first score of a run and those of the best alternatives.

    The higher, the better. An alternative that is ahead is pointed out, and advised where it is so
    by more than two standard errors of the difference of two shares of ``tested`` records.
    """
    first = next(name for name in scores if name in found[0][1])
    ranked = sorted(found, key=lambda each: -each[1][first])
    others = "; ".join(f"{name} {values[first]:.3f}" for name, values in ranked[:_TOLD])
    more = len(ranked) - _TOLD
    lower = f"; {more} more are lower" if more > 0 else ""
    name, best = ranked[0]
    ahead, gain = "", best[first] - scores[first]
    if gain > 0:
        share = min(max((best[first] + scores[first]) / 2, 0.0), 1.0)
        error = math.sqrt(2 * share * (1 - share) / max(tested, 1))
        ahead = f" {name} is ahead: consider it instead."
        if gain <= 2 * error:
            ahead = f" {name} is ahead, by less than {tested:,} records can tell."
    return (
        f"Simple alternatives on the same held-out records: {first} {others}{lower} (this run "
        f"{scores[first]:.3f}).{ahead}"
    )


def some(records: Dataset) -> Dataset:
    """Return all records, or an even sample of :data:`MOST`."""
    return records if len(records) <= MOST else records.select(even_indices(len(records), MOST))


def classified(head: Task, train: Dataset, held: Dataset) -> list[Alternative]:
    """Return the accuracy of each baseline of the modality with each of its classifiers."""
    train = some(train)
    classes, truth = (class_indices(part, head.labels).numpy() for part in (train, held))
    found = []
    for name, model, rows, tested in _baselines(
        head, train, held, "classification", len(head.labels)
    ):
        guessed = HEADS[model](rows).fit(rows, classes, _random()).predict(tested)
        found.append((f"{name}, {model}", {"accuracy": float((guessed == truth).mean())}))
    return found


def multilabeled(
    head: Task, train: Dataset, held: Dataset, scores: Callable[..., dict[str, float]]
) -> list[Alternative]:
    """Return the ``scores`` (of probabilities and truth) of one logistic regression per label."""
    from headstart.evaluation.protocols.multilabel import OneVsRestProbe

    train = some(train)
    targets, truth = head.targets(train).numpy() > 0, head.targets(held).numpy() > 0
    width = 2 * targets.shape[1]  # one problem of two classes for each label
    return [
        (
            f"{name}, logistic regression",
            scores(OneVsRestProbe(rows).predict(rows, targets, tested, _random())[0], truth),
        )
        for name, _, rows, tested in _baselines(head, train, held, "multilabel", width)
    ]


def regressed(
    head: Task, train: Dataset, held: Dataset, scores: Callable[..., dict[str, float]]
) -> list[Alternative]:
    """Return the ``scores`` (of values and truth) of a ridge regression."""
    from headstart.evaluation.protocols.regression import RidgeProbe

    train = some(train)
    targets, truth = (head.targets(part).double().numpy() for part in (train, held))
    return [
        (
            f"{name}, ridge regression",
            scores(RidgeProbe(rows).predict(rows, targets, tested)[0], truth),
        )
        for name, _, rows, tested in _baselines(head, train, held, "regression", 1)
    ]


def _baselines(
    head: Task, train: Dataset, held: Dataset, protocol: str, classes: int
) -> Iterator[tuple[str, str, Matrix, Matrix]]:
    """Yield name, classifier and features of both parts for the modality's baselines in turn.

    Nobody waits for more than :data:`SECONDS` for the first, and after :data:`ENOUGH` no other one
    is begun, nor any that would take longer.

    Args:
        classes: number of columns of weights that will be fitted.

    Raises:
        HeadstartError: the time is too short for the first one.
    """
    if head.modality is None:
        return
    # A head is opened to predict far more often than it is compared.
    from headstart.evaluation.heads.foreseen import foreseen

    started, count = time.monotonic(), 0

    def progress(done: int, total: int) -> None:
        limit = ENOUGH if count else SECONDS
        if time.monotonic() - started > limit:
            raise HeadstartError(f"their features take longer than {limit:.0f} s")

    baselines = iter(
        head.modality.baselines(None, train, held, protocol=protocol, seed=0, progress=progress)
    )
    while not count or time.monotonic() - started <= ENOUGH:
        try:
            one = next(baselines, None)
        except HeadstartError:
            if not count:
                raise
            return
        if one is None:
            return
        if one.test is None:
            continue
        models = one.heads if protocol == "classification" else ("logistic regression",)
        for model in models:
            most = HEADS[model].most_classes
            if most is not None and classes > most:
                continue
            needed = foreseen(
                {len(train): 1}, classes, one.train, [model], tested=len(held)
            ).seconds
            passed = time.monotonic() - started
            if passed + needed <= (ENOUGH if count else SECONDS):
                count += 1
                yield one.name, model, one.train, one.test
            elif not count:
                raise HeadstartError(f"{one.name}: fitting takes about {needed:.0f} s")


def _random() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(derive(0, "alternatives")))
