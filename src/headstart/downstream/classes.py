"""Labels that are classes: counting, splitting, loss and predictions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from headstart.data.groups import groups_of
from headstart.data.labels import known, or_regression, single_notes, spelling_notes
from headstart.data.split import split
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import FinetuneConfig


def labels_of(records: Dataset) -> list[str]:
    """Return the label of each record (N).

    Raises:
        HeadstartError: there is no label column, or a record has no label.
    """
    if "label" not in records.column_names:
        raise HeadstartError(
            "the records have no label column; name it with --column label=COLUMN, or give one "
            "folder a class."
        )
    labels = list(records["label"])
    missing = [name for name, label in zip(records["id"], labels, strict=True) if label is None]
    if missing:
        raise HeadstartError(
            f"the record {missing[0]!r} has no label ({len(missing)} such records); give it one, "
            "or take it out."
        )
    return [str(label) for label in labels]


def count_classes(records: Dataset) -> dict[str, int]:
    """Return how often each class occurs, the classes in order.

    Raises:
        HeadstartError: a record has no label, or all have the same.
    """
    counts = Counter(labels_of(records))
    if len(counts) < 2:
        found = f"only {next(iter(counts))!r} occurs" if counts else "there are no records"
        raise HeadstartError(
            f"classification needs training records of at least two labels, but {found}; "
            "check --train and --column label=COLUMN."
        )
    return {label: counts[label] for label in sorted(counts)}


def class_indices(records: Dataset, classes: list[str]) -> Tensor:
    """Return the class of each record (N,).

    Raises:
        HeadstartError: a label that no training record has.
    """
    index = {label: number for number, label in enumerate(classes)}
    labels = labels_of(records)
    unseen = sorted(set(labels) - set(index))
    if unseen:
        raise unseen_label(unseen[0])
    return torch.tensor([index[label] for label in labels])


def unseen_label(label: str) -> HeadstartError:
    """Return the error for a validation label that no training record has."""
    return HeadstartError(
        f"the label {label!r} occurs in the validation records but in no training record; add "
        "training records with it, or take it out."
    )


def checked_classes(
    records: Dataset, validation: Dataset | None, config: FinetuneConfig, notes: list[str]
) -> Dataset | None:
    """Return the validation records whose class a training record has.

    Args:
        validation: None where a slice of ``records`` is held out.
        notes: extended by sentences on what was left out, and on doubtful labels.

    Raises:
        HeadstartError: a record has no label, or no validation record is left.
    """
    labels = labels_of(records)
    notes += spelling_notes(labels, config.train)
    if validation is not None and config.val:
        return known(validation, labels, config.val, notes)
    notes += single_notes(labels, config.train, groups_of(records))
    return validation


def hold_out_of_each(records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Return training and validation records, each class split by the same ``share``.

    Every class keeps at least one record on either side, but a class of one record is trained on.

    Raises:
        HeadstartError: every class has a single record.
    """
    labels = labels_of(records)
    counts = Counter(labels)
    if max(counts.values()) < 2:
        raise HeadstartError(
            f"each of the {len(counts):,} labels has one training record, so none can be held out "
            f"for validation; add records, or name validation records with --val"
            f"{or_regression(counts)}."
        )
    kept, held = split(labels, share, seed, groups_of(records))
    return records.select(kept), records.select(held)


def balanced_weights(counts: list[int]) -> Tensor:
    """Return ``records / (classes * count)`` for each class, as scikit-learn's ``balanced``."""
    number = torch.tensor(counts, dtype=torch.float32)
    return number.sum() / (len(counts) * number)


def class_loss(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> dict[str, Tensor]:
    """Return ``loss`` and ``accuracy`` of scores (N,classes) against classes (N,)."""
    right = (logits.argmax(1) == targets).float().mean()
    return {"loss": cross_entropy(logits, targets, weights), "accuracy": right}


def class_predictions(labels: list[str], logits: Tensor) -> list[dict[str, Any]]:
    """Return ``label``, ``score`` and ``scores`` of each row of scores (B,classes)."""
    rows = []
    for row in logits.softmax(1).tolist():
        best = max(range(len(row)), key=row.__getitem__)
        named = dict(zip(labels, row, strict=True))
        rows.append({"label": labels[best], "score": row[best], "scores": named})
    return rows
