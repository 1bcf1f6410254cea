"""Whether the user's own test records are of groups that are trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headstart.data.groups import alone, shared_groups
from headstart.data.tables import columns

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import EvaluateConfig
    from headstart.data.content import Content

#: Where an audit has the number of such records.
SHARED = "shared_groups"


def has_column(source: str, column: str | None, content: Content) -> bool:
    """Return whether a source has a column; False for None."""
    return column is not None and column in columns(source, content)


def compared(
    train: Dataset,
    test: Dataset,
    config: EvaluateConfig,
    audit: dict[str, Any],
    notes: list[str],
    *,
    has_groups: bool,
) -> Dataset:
    """Return the test records without their groups; those that are trained on are noted.

    Args:
        train: the training records, with their groups as they were read.
        test: the same where ``has_groups``.
        audit: that of the test records, which gets the number of records in such groups.
    """
    if config.group is None:
        return test
    if not has_groups:
        notes.append(
            f"{config.test} has no column {config.group!r}, so that it is not known whether its "
            f"groups are trained on."
        )
        return test
    shared = shared_groups(train, test)
    if shared:
        audit[SHARED] = shared.total()
        examples = ", ".join([*map(repr, [*shared][:3]), *["..."] * (len(shared) > 3)])
        notes.append(
            f"{shared.total():,} of {len(test):,} test records are of {len(shared):,} group(s) by "
            f"{config.group!r} that {config.train} has, too ({examples}): the scores say little on "
            "new groups; leave these out of one of the two."
        )
    return alone(test)


def group_caution(audits: Mapping[str, Any], tested: int) -> list[str]:
    """Return a clause for the first line of a report; [] where no group is on both sides.

    Args:
        audits: that :func:`headstart.evaluation.protocols.reading.labeled_records` filled.
        tested: number of test records.
    """
    shared = audits.get("test", {}).get(SHARED, 0)
    return (
        [f"{shared / tested:.1%} of the test records are of groups in training"] if shared else []
    )
