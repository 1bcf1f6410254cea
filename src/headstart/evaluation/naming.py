"""Class names in an evaluation: all candidates get them, as examples beside the drawn labels.

Their features are computed with those of the tested records, so that whatever turns a record into
features does the same to a name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from headstart.config import EvaluateConfig
from headstart.data.store import stream
from headstart.evaluation.evaluate import protocol_of
from headstart.evaluation.outcomes import Candidate
from headstart.modalities.class_names import AUTO, class_names

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Modality


def names_of(
    config: EvaluateConfig, train: Dataset, modality: Modality, say: Callable[[str], None]
) -> Dataset | None:
    """Return the names of the training records' classes; None where the protocol has no use."""
    if not protocol_of(config).names:
        if config.names != AUTO:
            say(f"--names is of no use to {config.task}, and not read.")
        return None
    return class_names(config.names, set(stream(train, "label")), modality, say)


def followed_by(records: Dataset | None, names: Dataset | None) -> Dataset | None:
    """Return records, then names."""
    from datasets import concatenate_datasets

    if records is None or names is None:
        return records or names
    columns = [name for name in names.column_names if name in records.column_names]
    records = records.select_columns(columns)
    return concatenate_datasets([records, names.select_columns(columns).cast(records.features)])


def with_names(candidates: list[Candidate], names: Dataset | None) -> list[Candidate]:
    """Return candidates whose last tested rows, the names, are the features of these."""
    if names is None:
        return candidates
    count, named = len(names), tuple(names["label"])
    return [
        each
        if each.test is None
        else replace(
            each,
            test=each.test[:-count] if each.test.shape[0] > count else None,
            names=each.test[-count:],
            named=named,
        )
        for each in candidates
    ]
