"""Labels that are classes: training and test records of the same ones, and what is doubtful."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.config import EvaluateConfig
from headstart.data.groups import groups_of
from headstart.data.labels import (
    check_classes,
    known,
    one_class_notes,
    or_regression,
    quantity_notes,
    single_notes,
    spelling_notes,
)
from headstart.data.split import split
from headstart.data.store import stream
from headstart.errors import HeadstartError
from headstart.evaluation.protocols import PROTOCOLS

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Modality


def with_classes(
    train: Dataset,
    test: Dataset | None,
    config: EvaluateConfig,
    modality: Modality,
    notes: list[str],
) -> tuple[Dataset, Dataset | None]:
    """Return training and test records of the same classes, split class by class if need be.

    Args:
        test: None where there is one file.
        notes: extended by sentences on what was left out, and on doubtful labels.

    Raises:
        HeadstartError: one class only, no test record of a class known in training, or a single
            record of every class, of which none can be split off.
    """
    labels = list(stream(train, "label"))
    check_classes(labels, config.train)
    notes += _spellings(labels, test, config)
    if "regression" in modality.protocols:
        notes += quantity_notes(labels, config.train)
    tested = config.test or config.train
    if test is not None:
        test = known(test, labels, tested, notes)
    elif not config.folds and PROTOCOLS[config.task].split == "by class":
        train, test = _split(train, labels, config, notes)
    if test is not None:
        notes += one_class_notes(list(stream(test, "label")), tested)
    return train, test


def _split(
    train: Dataset, labels: list[str], config: EvaluateConfig, notes: list[str]
) -> tuple[Dataset, Dataset]:
    if len(set(labels)) == len(labels):
        raise HeadstartError(
            f"{config.train}: each of its {len(labels):,} labels occurs only once, so no test "
            "records can be split off; label more records of each, or name a file with --test"
            f"{or_regression(labels)}."
        )
    groups = groups_of(train)
    notes += single_notes(labels, config.train, groups)
    kept, held = split(labels, seed=config.seed, groups=groups)
    return train.select(kept), train.select(held)


def _spellings(train: list[str], test: Dataset | None, config: EvaluateConfig) -> list[str]:
    """Return a sentence on classes that are doubled, by the training or by the test labels."""
    unknown = [] if test is None else sorted(set(stream(test, "label")) - set(train))
    if not unknown:
        return spelling_notes(train, config.train)
    return spelling_notes([*train, *unknown], f"{config.train} and {config.test or config.train}")
