"""What is held out of each user's sequence, so that the verdict tests what training never saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.interactions.options import InteractionOptions

#: Share of all events that are the latest, where they are held out by time.
LATEST = 0.1
#: Fewest items of a user who is tested: one to begin with, one that validates, one that tests.
FEWEST = 3


class HeldOut(NamedTuple):
    """How sequences are divided.

    Attributes:
        train: the records without what is held out; those that have nothing left are missing.
        ends: (N,) number of items of each record that training sees.
        tested: (M,) indices of the records that are tested. The item after ``ends`` validates, and
            the one after that is the test; by time both are the first after the cut.
    """

    train: Dataset
    ends: np.ndarray
    tested: np.ndarray


def held_out(records: Dataset, options: InteractionOptions) -> HeldOut:
    """Divide sequences as ``hold_out`` says.

    Raises:
        HeadstartError: there are no times to divide by, or nothing is left to train on.
    """
    lengths = np.fromiter((len(items) for items in records["items"]), np.int64, len(records))
    if options.hold_out == "none":
        return HeldOut(records, lengths, np.arange(0))
    if options.hold_out == "last":
        ends = np.where(lengths >= FEWEST, lengths - 2, lengths)
    else:
        ends = _before(records, _cut(records))
    tested = np.flatnonzero((lengths - ends >= 2) & (ends >= 1))
    return HeldOut(_shortened(records, ends), ends, tested)


def _cut(records: Dataset) -> float:
    """Return the time after which events are held out."""
    if "times" not in records.column_names or None in records["times"]:
        raise HeadstartError(
            "interactions.hold_out=time needs the time of each event; name its column with "
            "--column time=COLUMN, or hold out the last items."
        )
    every = np.concatenate([np.asarray(times) for times in records["times"]])
    return float(np.quantile(every, 1 - LATEST, method="lower"))


def _before(records: Dataset, cut: float) -> np.ndarray:
    return np.fromiter(
        (int(np.searchsorted(np.asarray(times), cut, side="right")) for times in records["times"]),
        np.int64,
        len(records),
    )


def _shortened(records: Dataset, ends: np.ndarray) -> Dataset:
    """Return the first ``ends`` (N,) items of each record that has any.

    Raises:
        HeadstartError: none has.
    """
    from datasets import Dataset

    kept = np.flatnonzero(ends)
    if not len(kept):
        raise HeadstartError(
            "nothing is left to train on where the held-out items are taken away; give longer "
            "sequences, or set interactions.hold_out to none."
        )
    table = records.select(kept)[:]
    for name in ("items", "times"):
        if name in table and table[name][0] is not None:
            table[name] = [
                values[:end] for values, end in zip(table[name], ends[kept], strict=True)
            ]
    return Dataset.from_dict(table, features=records.features)
