"""What is held out of each user's sequence, so that the verdict tests what training never saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headstart.errors import HeadstartError
from headstart.modalities.interactions.lists import Lists, lists_of, shortened

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
    lengths = lists_of(records, "items").lengths
    if options.hold_out == "none":
        return HeldOut(records, lengths, np.arange(0))
    if options.hold_out == "last":
        ends = np.where(lengths >= FEWEST, lengths - 2, lengths)
    else:
        times = _times(records)
        ends = _before(times, _cut(times))
    tested = np.flatnonzero((lengths - ends >= 2) & (ends >= 1))
    return HeldOut(_shortened(records, ends), ends, tested)


def _cut(times: Lists) -> float:
    """Return the time after which events are held out."""
    return float(np.quantile(np.asarray(times.values), 1 - LATEST, method="lower"))


def _times(records: Dataset) -> Lists:
    """Return the times of all events.

    Raises:
        HeadstartError: some are not known.
    """
    if "times" not in records.column_names or records.data.column("times").null_count:
        raise HeadstartError(
            "interactions.hold_out=time needs the time of each event; name its column with "
            "--column time=COLUMN, or hold out the last items."
        )
    return lists_of(records, "times")


def _before(times: Lists, cut: float) -> np.ndarray:
    """Return how many events of each record (N,) are not after the cut."""
    early = np.concatenate([[0], np.cumsum(np.asarray(times.values) <= cut)])
    return np.diff(early[times.offsets])


def _shortened(records: Dataset, ends: np.ndarray) -> Dataset:
    """Return the first ``ends`` (N,) items of each record that has any.

    Raises:
        HeadstartError: none has.
    """
    if not ends.any():
        raise HeadstartError(
            "nothing is left to train on where the held-out items are taken away; give longer "
            "sequences, or set interactions.hold_out to none."
        )
    return shortened(records, ends)
