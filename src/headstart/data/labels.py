"""What labels reveal before anything is fitted: doubled, unknown, rare and missing classes."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.store import stream
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

#: Most labels that a sentence names.
_NAMED = 5
#: Number of tested records below which scores mean little.
FEWEST_TESTED = 10
#: From this many classes on, with fewer records each than this, numbers are hardly classes.
_MANY, _FEW = 20, 5


def check_classes(labels: Collection[str], where: str) -> None:
    """Refuse labels of fewer than two classes.

    Args:
        where: their file, for the message.

    Raises:
        HeadstartError: all labels are the same, or there are none.
    """
    names = set(labels)
    if len(names) < 2:
        found = (
            f"every labeled record has the label {next(iter(names))!r}"
            if names
            else "there are no labels"
        )
        raise HeadstartError(
            f"{where}: {found}, but two classes or more are needed; check --column label=COLUMN."
        )


def known(records: Dataset, trained: Iterable[str], where: str, notes: list[str]) -> Dataset:
    """Return the records whose label a training record has; a note counts the others by class.

    Args:
        trained: the labels of the training records.
        where: the file of ``records``, for messages.
        notes: extended by a sentence if a record is left out.

    Raises:
        HeadstartError: no record is left.
    """
    labels, names = list(stream(records, "label")), set(trained)
    unknown = Counter(label for label in labels if label not in names)
    if labels and unknown.total() == len(labels):
        raise HeadstartError(
            f"{where}: no record has a label that a training record has; its labels are "
            f"{_listed(unknown)}, those of the training records {_listed(names)}; name records of "
            f"the same classes{or_regression(names)}."
        )
    if not unknown:
        return records
    notes.append(
        f"{unknown.total():,} of {len(labels):,} records of {where} have a label that no training "
        f"record has, and were left out: {_counted(unknown)}."
    )
    return records.select(np.flatnonzero([label in names for label in labels]))


def spelling_notes(labels: Iterable[str], where: str) -> list[str]:
    """Return a sentence on labels that differ only in case, spaces or the writing of a number.

    They stay different classes: only the user knows whether they are meant to be.

    Example::

        spelling_notes(["pos", "Pos", "neg"], "train.csv")
    """
    groups = defaultdict(list)
    for label in sorted(set(labels)):
        groups[_spelling(label)].append(label)
    doubled = [" and ".join(map(repr, group)) for group in groups.values() if len(group) > 1]
    if not doubled:
        return []
    return [
        f"{where}: {_shortened(doubled)} differ only in case, spaces or the writing of a number, "
        "and count as different classes; give them one spelling if they are the same."
    ]


def quantity_notes(labels: Sequence[str], where: str) -> list[str]:
    """Return a sentence on labels that seem to be quantities: many numbers, each with few records.

    They are classes all the same.
    """
    names = set(labels)
    if len(names) < _MANY or len(labels) >= _FEW * len(names):
        return []
    if not or_regression(names):
        return []
    return [
        f"{where}: the labels are {len(names):,} different numbers; if they are quantities and no "
        "classes, use --task regression."
    ]


def or_regression(labels: Iterable[str]) -> str:
    """Return the end of an advice to whoever has numbers as labels; "" where one is none."""
    if any(_number(label) is None for label in labels):
        return ""
    return ", or use --task regression if the labels are quantities"


def few_notes(tested: int, where: str) -> list[str]:
    """Return a sentence if very few records can be tested."""
    if tested >= FEWEST_TESTED:
        return []
    return [
        f"{where}: only {tested} labeled record{'s' * (tested != 1)} can be tested, too few to "
        "rely on the scores; label more."
    ]


def one_class_notes(labels: Sequence[str], where: str) -> list[str]:
    """Return a sentence if several tested records are all of one class."""
    if len(labels) < 2 or len(set(labels)) > 1:
        return []
    return [
        f"{where}: every tested record has the label {labels[0]!r}, so the scores say nothing on "
        "the other classes; name test records of every class."
    ]


def single_notes(labels: Sequence[str], where: str, groups: np.ndarray | None = None) -> list[str]:
    """Return a sentence on classes of one record, which cannot be held out, if others can.

    Args:
        groups: (N,) records that stay together, so that a class of one group cannot be held out
            either; None where each stands alone.
    """
    units = range(len(labels)) if groups is None else groups.tolist()
    counts = Counter(label for label, _ in set(zip(labels, units, strict=True)))
    single = sorted(name for name, count in counts.items() if count == 1)
    if not single or len(single) == len(counts):
        return []
    what = "a single record" if groups is None else "a single group of records or copies"
    return [
        f"{where}: {len(single):,} classes have {what}, which is trained on and not held out: "
        f"{_listed(single)}."
        if len(single) > 1
        else f"{where}: the class {single[0]!r} has {what}, which is trained on and not held out."
    ]


def same_file_notes(train: str, tested: str, option: str) -> list[str]:
    """Return a sentence if the training records are tested.

    Args:
        option: the one that names ``tested``, such as ``--test``.
    """
    if os.path.realpath(train) != os.path.realpath(tested):
        return []
    return [
        f"{train} is given as --train and as {option}, so that every tested record was trained on; "
        "the scores say nothing about new records, so name others."
    ]


def _spelling(label: str) -> str:
    number = _number(label)
    if number is not None:
        return repr(number)
    return "".join(unicodedata.normalize("NFKC", label).casefold().split())


def _number(label: str) -> float | None:
    try:
        return float(label)
    except ValueError:
        return None


def _listed(labels: Iterable[str]) -> str:
    return _shortened(list(map(repr, sorted(labels))))


def _counted(counts: Counter[str]) -> str:
    return _shortened([f"{name!r} ({count:,})" for name, count in counts.most_common()])


def _shortened(parts: Sequence[str]) -> str:
    more = [f"{len(parts) - _NAMED:,} more"] if len(parts) > _NAMED else []
    return ", ".join([*parts[:_NAMED], *more])
