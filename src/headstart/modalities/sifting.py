"""Removing records: those that overlap with test data, and those that fail quality rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from headstart.config import PretrainConfig
from headstart.data.audit import Audit
from headstart.data.content import Content
from headstart.data.overlap import overlap
from headstart.data.store import stream
from headstart.errors import HeadstartError, did_you_mean
from headstart.modalities import MODALITIES, Modality

if TYPE_CHECKING:
    from datasets import Dataset


def rules_named(content: Content, names: Iterable[str]) -> tuple[str, ...]:
    """Return the named quality rules; a set such as ``gopher`` includes all of its rules.

    Raises:
        HeadstartError: there is no such rule, or the content has none at all.
    """
    named = list(names)
    if named and not content.rules:
        able = [other for other, kind in MODALITIES.items() if kind.content.rules]
        raise HeadstartError(
            f"--quality {','.join(named)}: there are no quality rules for {content.noun}, only for "
            f"{', '.join(able) or 'nothing'}; leave it out."
        )
    found: set[str] = set()
    for name in named:
        meant = {rule for rule in content.rules if name in (rule, _set_of(rule))}
        if not meant:
            known = {*content.rules, *map(_set_of, content.rules)}
            raise HeadstartError(f"there is no quality rule {name!r}{did_you_mean(name, known)}")
        found |= meant
    return tuple(rule for rule in content.rules if rule in found)


def _set_of(rule: str) -> str:
    return rule.partition(".")[0]


def sift(records: Dataset, config: PretrainConfig, modality: Modality, audit: Audit) -> Dataset:
    """Return the records that ``--remove-overlap`` and ``--quality`` keep.

    Each removed record is counted in ``audit`` and listed with its reason.

    Raises:
        HeadstartError: none is left, or there is no such rule.
    """
    if not config.remove_overlap and not config.quality:
        return records
    content = modality.content
    rules = rules_named(content, config.quality)
    before = len(records)
    if config.remove_overlap:
        tested = modality.read(config.remove_overlap, config.undivided(), Audit())
        shared = overlap(records, tested, content, thorough=True)
        audit.findings["overlap_removed"] = shared.summary()
        audit.notes += shared.notes
        named = ", ".join(config.remove_overlap)
        reason = f"it also occurs in {named}, exactly or nearly (--remove-overlap)"
        records = _without(records, shared.indices, lambda _: (reason, "overlap"), audit)
    if rules:
        failed = content.failing(records, rules, modality.options)
        indices = np.array(sorted(failed), dtype=np.int64)

        def why(index: int) -> tuple[str, str]:
            return f"{content.rules[failed[index]].reason} ({failed[index]})", failed[index]

        records = _without(records, indices, why, audit)
    if not len(records):
        raise HeadstartError(
            f"none of the {before:,} records is left; ask for fewer quality rules, or check what "
            "--remove-overlap names."
        )
    if len(records) < before:
        audit.duplicates = content.count_repeats(records, audit)
    return records


def _without(
    records: Dataset, indices: np.ndarray, why: Callable[[int], tuple[str, str]], audit: Audit
) -> Dataset:
    """Return the records except those at ``indices``, which are noted in ``audit``."""
    if not len(indices):
        return records
    for index, name in zip(indices.tolist(), stream(records.select(indices), "id"), strict=True):
        reason, because = why(index)
        audit.drop(name, reason, because)
    return records.select(np.setdiff1d(np.arange(len(records)), indices))
