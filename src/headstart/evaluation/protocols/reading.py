"""Labeled records for each task: which task the labels imply, and what its labels are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.config import EvaluateConfig
from headstart.data import tables
from headstart.data.audit import Audit
from headstart.data.columns import LABEL, check_names, label_text, listed
from headstart.data.field import Field, string
from headstart.data.group_splits import split_groups
from headstart.data.groups import groups_of, together
from headstart.data.labels import few_notes, same_file_notes
from headstart.data.pairs import (
    ALIKE,
    PAIR,
    SEARCHES,
    columns_of,
    find_columns,
    flattened,
    number,
    second_of,
)
from headstart.data.split import labeled
from headstart.data.times import latest
from headstart.errors import HeadstartError
from headstart.evaluation.protocols import PROTOCOLS, Protocol
from headstart.evaluation.protocols.classes import with_classes
from headstart.evaluation.protocols.tested_groups import compared, has_column
from headstart.modalities.guess import telling_kinds
from headstart.seeding import derive

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from headstart.data.content import Content
    from headstart.data.unit import Unit
    from headstart.modalities import Modality, Processor

#: Separators of several labels in one field, the most likely first.
SEPARATORS = ("|", ";", ",")
#: Share of a single labeled file that is tested.
TEST_SHARE = 0.2


def task_of(config: EvaluateConfig, content: Content) -> str:
    """Return the task, guessed from the columns of ``config.train`` where it is ``auto``.

    Two records and a number imply similarity, a query and an answer retrieval, lists of labels
    multi-label classification, fractional numbers regression, and everything else classification.

    Args:
        content: the kind of record.

    Raises:
        HeadstartError: a named column is missing or unknown.
    """
    check_names(config.columns, content, (LABEL.name, PAIR))
    if config.task != "auto":
        return config.task
    if config.label_separator is not None:
        return "multilabel"
    source, named = config.train, config.columns
    tabular = bool(tables.columns(source, content))
    if tabular and (PAIR in named or not named.keys() & set(content.columns)):
        pairs = find_columns(source, named, content, ALIKE)
        if pairs is not None and (pairs.score or PAIR in named):
            return "similarity" if pairs.score else "retrieval"
    name, values = tables.label_sample(source, content, named.get(LABEL.name))
    if name is None:
        found = find_columns(source, named, content, SEARCHES) if tabular else None
        return "classification" if found is None else "retrieval"
    if any(isinstance(value, list | tuple) for value in values):
        return "multilabel"
    numbers = [number(value) for value in values]
    if numbers and None not in numbers and any(x is not None and x % 1 for x in numbers):
        return "regression"
    return "classification"


def read_labeled(
    source: str,
    config: EvaluateConfig,
    modality: Modality,
    processor: Processor | None,
    audit: Audit,
    *,
    keep: Callable[[Dataset, str, Audit], Dataset] | None = None,
) -> Dataset:
    """Return the records of ``source`` whose ``label`` is known, a text.

    Args:
        keep: chooses those whose label is valid, and makes it what it should be.

    Raises:
        HeadstartError: no record has such a label.
    """
    records = labeled(modality.read([source], config, audit), source, audit)
    if keep is not None:
        records = keep(records, source, audit)
    return modality.usable(records, processor, audit)


def read_pairs(
    source: str,
    config: EvaluateConfig,
    modality: Modality,
    processor: Processor | None,
    audit: Audit,
    *,
    names: tuple[tuple[str, str], ...],
    scored: bool,
) -> Dataset:
    """Return M pairs as 2M records: ``id``, the content, and ``label`` (the score as a text).

    A pair with an unreadable record, or without a required score, is quarantined.

    Args:
        names: well-known names of the two columns.
        scored: whether each pair has a score.

    Raises:
        HeadstartError: it is unclear which columns hold them, or no pair can be read.
    """
    content = modality.content
    found = columns_of(source, config.columns, content, names)
    if scored and found.score is None:
        raise HeadstartError(
            f"it is unclear which column of {source} holds the score of a pair; name it with "
            f"--column label=COLUMN ({listed(tables.columns(source, content))})."
        )
    options = config.model_copy(update={"columns": found.named(content, scored=scored)})
    records = modality.read([source], options, audit, fields=[second_of(content)])
    if scored:
        numbers = [number(label) is not None for label in records["label"]]
        for name, is_number in zip(records["id"], numbers, strict=True):
            if not is_number:
                audit.drop(name, "its score is not a number")
        if not any(numbers):
            raise HeadstartError(
                f"{source}: no score of a pair is a number; name their column with --column "
                "label=COLUMN."
            )
        records = records.select(np.flatnonzero(numbers))
    wanted = ["id", *content.columns, PAIR, *([LABEL.name] if scored else [])]
    return flattened(
        records.select_columns(wanted),
        source,
        content,
        lambda records, audit: modality.usable(records, processor, audit),
        audit,
    )


def read_searches(
    source: str,
    config: EvaluateConfig,
    modality: Modality,
    processor: Processor | None,
    audit: Audit,
) -> Dataset:
    """Return pairs of a query and its result, flattened; records with labels where there are none.

    Raises:
        HeadstartError: there is neither.
    """
    names, content = (*SEARCHES, *ALIKE), modality.content
    if (
        LABEL.name not in config.columns
        and tables.columns(source, content)
        and find_columns(source, config.columns, content, names) is not None
    ):
        return read_pairs(source, config, modality, processor, audit, names=names, scored=False)
    return read_labeled(source, config, modality, processor, audit)


def read_several(
    source: str,
    config: EvaluateConfig,
    modality: Modality,
    processor: Processor | None,
    audit: Audit,
) -> Dataset:
    """Return records with lists of labels, read from lists or from texts with a separator.

    Without a ``processor`` nothing is decoded yet.

    Raises:
        HeadstartError: it is unclear which column holds the labels.
    """
    content = modality.content
    name, sample = tables.label_sample(source, content, config.columns.get(LABEL.name))
    if name is None or not sample:
        raise HeadstartError(
            f"it is unclear which column of {source} holds the labels; name it with "
            "--column label=COLUMN."
        )
    separator = config.label_separator
    if separator is None:  # that of the training records, for all files alike
        _, trained = tables.label_sample(config.train, content, config.columns.get(LABEL.name))
        texts = [value for value in trained or sample if isinstance(value, str)]
        separator = next((m for m in SEPARATORS if any(m in text for text in texts)), None)
        if separator is not None:
            audit.notes.append(
                f"{source}: several labels are taken to be parted by {separator!r}, as in "
                f"{config.train}; --label-separator names another separator"
            )
    options = config.model_copy(update={"columns": {**config.columns, LABEL.name: name}})
    records = modality.read([source], options, audit, fields=[_labels(separator)])
    return records if processor is None else modality.usable(records, processor, audit)


def labeled_records(
    config: EvaluateConfig,
    modality: Modality,
    processor: Processor | None,
    audits: dict[str, Any],
    notes: list[str],
) -> tuple[Dataset, Dataset | None]:
    """Return training and test records; no test records (None) where one file is not split.

    Where the labels are classes, test records of a class unknown in training are left out.

    Args:
        config: with a ``task`` other than ``auto``.
        audits: filled with summaries of what was read, under ``train`` and ``test``.
        notes: extended by sentences on what was left out, and on doubtful labels.

    Raises:
        HeadstartError: the options contradict each other, no record has a label, there is one
            class only, or no test record has a class that is known in training.
    """
    protocol: Protocol = PROTOCOLS[config.task]
    if config.folds and not protocol.folds:
        raise _refused("--folds", config.task, "folds")
    if config.folds and config.test:
        raise HeadstartError(
            "--folds cross-validates one labeled file; leave out --test, or --folds."
        )
    if (config.from_scratch == "on" or config.finetuned) and not protocol.networks:
        option = "--finetuned" if config.finetuned else "--from-scratch"
        raise _refused(option, config.task, "networks")
    _check_division(config, protocol)
    train = labeled_file(config.train, "train", config, modality, processor, audits, notes)
    test = None
    if config.test:
        has_groups = has_column(config.test, config.group, modality.content)
        options = config if has_groups else config.undivided()
        test = labeled_file(config.test, "test", options, modality, processor, audits, notes)
        test = compared(train, test, config, audits["test"], notes, has_groups=has_groups)
        if not protocol.alone:
            notes += same_file_notes(config.train, config.test, "--test")
    if protocol.divides:
        content, near = modality.content, config.test is None
        where, column = config.train, config.group
        train = together(train, content, notes, where=where, column=column, near=near)
    if test is None and config.split_by == "time":
        train, test = latest(train, TEST_SHARE, config.train, notes)
    elif test is None and not config.folds and protocol.split == "random":
        train, test = _split(train, config)
    if protocol.classes and protocol.read is None:
        train, test = with_classes(train, test, config, modality, notes)
    if test is not None and protocol.split is not None:
        notes += few_notes(len(test), config.test or config.train)
    return train, test


def _check_division(config: EvaluateConfig, protocol: Protocol) -> None:
    """Refuse options on how records are divided where the task, or another option, divides none.

    Raises:
        HeadstartError: it names the option to leave out.
    """
    if config.group is not None and not protocol.divides:
        raise _refused("--group", config.task, "divides")
    if config.split_by != "time":
        return
    if protocol.split is None:
        raise _refused("--split-by time", config.task, "split")
    for option in ("test", "folds"):
        if getattr(config, option):
            raise HeadstartError(
                f"--split-by time divides the one file of --train itself; leave out --{option}, or "
                "--split-by time."
            )


def _refused(option: str, task: str, property_: str) -> HeadstartError:
    able = [name for name, protocol in PROTOCOLS.items() if getattr(protocol, property_)]
    return HeadstartError(f"{option} serves {', '.join(able)} and not {task}; leave it out.")


def labeled_file(
    source: str,
    what: str,
    config: EvaluateConfig,
    modality: Modality,
    processor: Processor | None,
    audits: dict[str, Any],
    notes: list[str],
) -> Dataset:
    """Return the labeled records of one source; their audit is stored in ``audits[what]``.

    A sentence on what was set aside is added to ``notes``.
    """
    audit = Audit()
    reads = PROTOCOLS[config.task].read or read_labeled
    with telling_kinds([source], modality.content, "this run"):
        records: Dataset = reads(source, config, modality, processor, audit)
    audits[what] = audit.summary()
    notes += audit.sentences()
    return records


def _split(records: Dataset, config: EvaluateConfig) -> tuple[Dataset, Dataset]:
    """Split off a random fifth of the records for testing."""
    if len(records) < 10:
        raise HeadstartError(
            f"{config.train} has {len(records)} labeled record(s), too few to split off a test "
            "part; label more, or name a file with --test."
        )
    groups = groups_of(records)
    if groups is not None:
        same = np.zeros(len(records), dtype=np.int64)
        kept, held = split_groups(same, groups, TEST_SHARE, config.seed)
        return records.select(kept), records.select(held)
    rng = np.random.Generator(np.random.PCG64(derive(config.seed, "split")))
    order = rng.permutation(len(records))
    tested = len(records) // 5
    return records.select(np.sort(order[tested:])), records.select(np.sort(order[:tested]))


def numbered(records: Dataset, source: str, audit: Audit) -> Dataset:
    """Return the records whose label is a number, as a float.

    Raises:
        HeadstartError: no label is a number.
    """
    values = [number(label) for label in records["label"]]
    known = [index for index, value in enumerate(values) if value is not None]
    for index in sorted(set(range(len(values))) - set(known)):
        audit.drop(records[index]["id"], "its label is not a number")
    if not known:
        raise HeadstartError(
            f"{source}: no label is a number, as a regression needs; check --column label=COLUMN, "
            "or use --task classification."
        )
    kept = records.select(known).remove_columns("label")
    return kept.add_column("label", [values[index] for index in known])


def _labels(separator: str | None) -> Field:
    """Return the field of several labels, a list of texts, empty if there is none."""

    def strings() -> pa.DataType:
        import pyarrow as pa

        return pa.list_(string())

    def take(value: Any, unit: Unit) -> tuple[list[str] | None, str | None]:
        return _listed(value, separator), None

    return replace(LABEL, take=take, type=strings, required=True, missing="it has no label")


def _listed(value: Any, separator: str | None) -> list[str] | None:
    """Return the labels in one field: an empty list for no labels, None if unknown."""
    if isinstance(value, str):
        value = value.split(separator) if separator else [value]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list | tuple):
        return None
    return sorted({label for one in value if (label := label_text(one)) is not None})
