"""Corruptions of test records at three severities, for measuring robustness.

A modality defines its corruptions. Each is a function of the record, the severity and a seed, so
that all candidates see the same corrupted records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.data.store import with_content
from headstart.errors import HeadstartError, did_you_mean
from headstart.seeding import numbers

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Modality

SEVERITIES = (1, 2, 3)


def requested(names: Sequence[str], modality: Modality) -> list[str]:
    """Return the names of the requested corruptions; ``auto`` is all, ``off`` none.

    Raises:
        HeadstartError: an unknown corruption for this kind of data.
    """
    known = modality.corruptions
    if list(names) in (["off"], []):
        return []
    if list(names) == ["auto"]:
        return list(known)
    for name in names:
        if name not in known:
            raise HeadstartError(
                f"option 'corruptions': there is no {name!r} for {modality.content.noun}"
                f"{did_you_mean(name, known)}"
            )
    return list(dict.fromkeys(names))


def corrupt(records: Dataset, modality: Modality, name: str, severity: int, seed: int) -> Dataset:
    """Return the records with their first field corrupted, all else as it is.

    A record's corruption depends on its index, the name, the severity and the seed.

    Args:
        records: as :meth:`headstart.modalities.Modality.as_seen` returns them.
    """
    change, column = modality.corruptions[name], modality.content.columns[0]
    values = []
    for index, value in enumerate(records[column]):
        rng = numbers(seed, "corrupt", name, severity, index)
        values.append(change(value, severity, rng))
    return with_content(records, column, values)
