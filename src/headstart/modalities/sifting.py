"""Leaving records out on purpose: those that tests hold, too, and texts that fail quality rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from headstart.config import PretrainConfig
from headstart.data.audit import Audit
from headstart.data.content import Content
from headstart.data.overlap import overlap
from headstart.data.store import stream
from headstart.errors import HeadstartError
from headstart.modalities.text import quality
from headstart.modalities.text.quality import _failing

if TYPE_CHECKING:
    from datasets import Dataset


def sift(
    records: Dataset,
    config: PretrainConfig,
    content: Content,
    audit: Audit,
    read: Callable[[list[str]], Dataset],
) -> Dataset:
    """Return the records that ``--remove-overlap`` and ``--quality`` leave; most ask for neither.

    Each record that goes is counted in ``audit`` and named with its reason.

    Args:
        content: what the records are.
        read: reads test data into records.

    Raises:
        HeadstartError: none is left, there is no such rule, or the records are no texts.
    """
    if not config.remove_overlap and not config.quality:
        return records
    rules = quality.named(config.quality)
    if rules and content.name != "text":
        noun = content.noun
        raise HeadstartError(f"--quality has rules for texts, not for {noun}; leave it out.")
    before = len(records)
    if config.remove_overlap:
        shared = overlap(records, read(config.remove_overlap), content, thorough=True)
        audit.findings["overlap_removed"] = shared.summary()
        audit.notes += shared.notes
        named = ", ".join(config.remove_overlap)
        reason = f"it also occurs in {named}, exactly or nearly (--remove-overlap)"
        records = _without(records, shared.indices, lambda _: (reason, "overlap"), audit)
    if rules:
        failed = _failing(records, rules, config)
        indices = np.array(sorted(failed), dtype=np.int64)

        def why(index: int) -> tuple[str, str]:
            return f"{quality.RULES[failed[index]].reason} ({failed[index]})", failed[index]

        records = _without(records, indices, why, audit)
    if not len(records):
        raise HeadstartError(
            f"none of the {before:,} records is left; ask for fewer quality rules, or check what "
            "--remove-overlap names."
        )
    if len(records) < before:
        audit.duplicates = content.repeats(records, audit)
    return records


def _without(
    records: Dataset, indices: np.ndarray, why: Callable[[int], tuple[str, str]], audit: Audit
) -> Dataset:
    """Return the other records; those at ``places`` are told to ``audit`` with the reason."""
    if not len(indices):
        return records
    for index, name in zip(indices.tolist(), stream(records.select(indices), "id"), strict=True):
        reason, because = why(index)
        audit.drop(name, reason, because)
    return records.select(np.setdiff1d(np.arange(len(records)), indices))
