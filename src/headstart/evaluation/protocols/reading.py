"""Labeled records for each task: which task the labels ask for, and what a label is in it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.config import EvaluateConfig
from headstart.data import tables
from headstart.data.audit import Audit
from headstart.data.pairs import ALIKE, SEARCHES, find_columns, number, read_pairs
from headstart.data.split import labeled, split
from headstart.errors import HeadstartError
from headstart.evaluation.protocols import PROTOCOLS
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.content import Content
    from headstart.modalities import Modality

#: Separators of several labels in one field, the likelier ones first.
SEPARATORS = ("|", ";", ",")


def task_of(config: EvaluateConfig, content: Content) -> str:
    """Return the task, guessed from the columns of ``config.train`` where it is ``auto``.

    Two records and a number ask for similarity, a query and an answer for retrieval, lists of
    labels for multi-label classification, numbers with a fraction for regression, and all else
    for classification.

    Args:
        content: what the records are.
    """
    if config.task != "auto":
        return config.task
    if config.label_separator is not None:
        return "multilabel"
    source, tabular = config.train, _tabular(config.train, content)
    if tabular and (config.pair_column or getattr(config, f"{content.name}_column") is None):
        pairs = find_columns(source, config, content, ALIKE)
        if pairs is not None and (pairs.score or config.pair_column):
            return "similarity" if pairs.score else "retrieval"
    name, values = tables.label_sample(source, content, config.label_column)
    if name is None:
        found = find_columns(source, config, content, SEARCHES) if tabular else None
        return "classification" if found is None else "retrieval"
    if any(isinstance(value, list | tuple) for value in values):
        return "multilabel"
    numbers = [number(value) for value in values]
    if numbers and None not in numbers and any(x is not None and x % 1 for x in numbers):
        return "regression"
    return "classification"


def read(
    source: str,
    config: EvaluateConfig,
    modality: Modality,
    processor: Any,
    audit: Audit,
    *,
    task: str,
) -> Dataset:
    """Return the records of ``source`` with what the task takes for a label.

    Classification, few-shot episodes, clustering and retrieval by label have a ``label`` each (a
    text), regression a number, multi-label classification a list of texts; pairs are flattened,
    see :mod:`headstart.data.pairs`. Without a ``processor`` nothing is decoded yet
    (several labels only).

    Raises:
        HeadstartError: no record has such a label.
    """
    if task == "similarity":
        return read_pairs(source, config, modality, processor, audit, scored=True)
    if task == "retrieval" and not config.label_column and _tabular(source, modality.content):
        names = (*SEARCHES, *ALIKE)
        if find_columns(source, config, modality.content, names) is not None:
            return read_pairs(source, config, modality, processor, audit, scored=False)
    if task == "multilabel":
        return _several(source, config, modality, processor, audit)
    records = labeled(modality.read([source], config, audit), source, audit)
    if task == "regression":
        records = numbered(records, source, audit)
    return modality.readable(records, processor, audit)


def labeled_records(
    config: EvaluateConfig, modality: Modality, processor: Any, audits: dict[str, Any]
) -> tuple[Dataset, Dataset | None]:
    """Return training and test records; None where one file is tested as a whole or by folds.

    Args:
        config: with a ``task`` that has been decided on.
        audits: told what was read, under ``train`` and ``test``.

    Raises:
        HeadstartError: options that do not go together, or no record with a label.
    """
    if config.folds and config.task != "classification":
        raise HeadstartError(f"--folds serves classification and not {config.task}; leave it out.")
    if config.folds and config.test:
        raise HeadstartError(
            "--folds cross-validates one labeled file; leave out --test, or --folds."
        )
    if (config.from_scratch or config.finetuned) and config.task != "classification":
        option = "--from-scratch" if config.from_scratch else "--finetuned"
        raise HeadstartError(f"{option} serves classification and not {config.task}; leave it out.")
    protocol = PROTOCOLS[config.task]
    train = labeled_file(config.train, "train", config, modality, processor, audits)
    if config.test:
        return train, labeled_file(config.test, "test", config, modality, processor, audits)
    if config.folds or not protocol.split:
        return train, None
    if config.task == "classification":
        kept, held = split(train["label"], seed=config.seed)
        return train.select(kept), train.select(held)
    return _split(train, config)


def labeled_file(
    source: str,
    what: str,
    config: EvaluateConfig,
    modality: Modality,
    processor: Any,
    audits: dict[str, Any],
) -> Dataset:
    """Return the labeled records of one source, and note in ``audits[what]`` what was read."""
    audit = Audit()
    reads = PROTOCOLS[config.task].read or partial(read, task="classification")
    records: Dataset = reads(source, config, modality, processor, audit)
    audits[what] = audit.summary()
    return records


def _split(records: Dataset, config: EvaluateConfig) -> tuple[Dataset, Dataset]:
    """Part a fifth of the records off, by chance."""
    if len(records) < 10:
        raise HeadstartError(
            f"{config.train} has {len(records)} labeled record(s), too few to split off a test "
            "part; label more, or name a file with --test."
        )
    rng = np.random.Generator(np.random.PCG64(derive(config.seed, "split")))
    order = rng.permutation(len(records))
    tested = len(records) // 5
    return records.select(np.sort(order[tested:])), records.select(np.sort(order[:tested]))


def _tabular(source: str, content: Content) -> bool:
    return bool(tables.columns(source, content))


def numbered(records: Dataset, source: str, audit: Audit) -> Dataset:
    """Return the records whose label is a number, with the number (float) as label.

    Raises:
        HeadstartError: none is.
    """
    values = [number(label) for label in records["label"]]
    known = [index for index, value in enumerate(values) if value is not None]
    for index in sorted(set(range(len(values))) - set(known)):
        audit.quarantine(records[index]["id"], "its label is not a number")
    if not known:
        raise HeadstartError(
            f"{source}: no label is a number, as a regression needs; check --label-column, or use "
            "--task classification."
        )
    kept = records.select(known).remove_columns("label")
    return kept.add_column("label", [values[index] for index in known])


def _several(
    source: str, config: EvaluateConfig, modality: Modality, processor: Any, audit: Audit
) -> Dataset:
    """Return records with lists of labels, from lists or from texts with a separator."""
    name, sample = tables.label_sample(source, modality.content, config.label_column)
    if name is None or not sample:
        raise HeadstartError(
            f"it is unclear which column of {source} holds the labels; name it with --label-column."
        )
    separator = config.label_separator or next(
        (mark for mark in SEPARATORS if any(isinstance(v, str) and mark in v for v in sample)), None
    )
    plain = config.model_copy(update={"label_column": None})
    records = modality.read([source], plain, audit)
    if processor is not None:
        records = modality.readable(records, processor, audit)
    lists = {
        record: _listed(value, separator)
        for record, value in tables.values(source, modality.content, name)
    }
    labels = [lists.get(record) for record in records["id"]]
    known = [index for index, value in enumerate(labels) if value is not None]
    for index in sorted(set(range(len(labels))) - set(known)):
        audit.quarantine(records[index]["id"], "it has no label")
    if not known:
        raise HeadstartError(f"{source} has no labels in {name!r}; check --label-column.")
    kept = records.select(known)
    if "label" in kept.column_names:
        kept = kept.remove_columns("label")
    return kept.add_column("label", [labels[index] for index in known])


def _listed(value: Any, separator: str | None) -> list[str] | None:
    """Return the labels in one field; an empty list says that there is none, None is unknown."""
    if isinstance(value, str):
        value = value.split(separator) if separator else [value]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list | tuple):
        return None
    return sorted({str(label).strip() for label in value if label is not None} - {""})
