"""The sequences of a run's sources as codes of its catalogue, divided as the run held them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from headstart.errors import HeadstartError
from headstart.modalities.interactions.held_out import FEWEST, held_out
from headstart.modalities.interactions.lists import arrow
from headstart.modalities.interactions.processor import FIRST, ItemProcessor
from headstart.modalities.interactions.sequences import Sequences

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.interactions.options import InteractionOptions

#: Stands for an item that training never saw.
NEVER = -1


class Division(NamedTuple):
    """What is fitted, what validates and what tests.

    Attributes:
        train: the sequences that training saw.
        users: (M,) names of the tested users.
        histories: of each of them, without the items that validate and test.
        validation, test: (M,) the item that validates and the one that tests; -1 for one that
            training never saw.
    """

    train: Sequences
    users: list[str]
    histories: list[np.ndarray]
    validation: np.ndarray
    test: np.ndarray

    def before_test(self) -> list[np.ndarray]:
        """Return each history with the item that validates, which is known when it is tested."""
        return [
            np.append(history, item) if item != NEVER else history
            for history, item in zip(self.histories, self.validation, strict=True)
        ]


def divided(records: Dataset, processor: ItemProcessor, options: InteractionOptions) -> Division:
    """Divide records as training did, by the run's own options.

    Raises:
        HeadstartError: no user has enough items, or nothing was held out.
    """
    held = held_out(records, options)
    if options.hold_out == "none":
        raise HeadstartError(
            "this run was trained on all items (interactions.hold_out=none), so nothing is left to "
            "test; pre-train with interactions.hold_out=last."
        )
    if not len(held.tested):
        raise HeadstartError(
            f"no sequence has {FEWEST} items: one to begin with, one that validates and one that "
            "tests; give longer sequences."
        )
    ids, offsets = processor.encoded(records)
    codes = np.where(ids < FIRST, NEVER, ids - FIRST).astype(np.int32)
    lengths = np.diff(offsets)
    within = np.arange(len(codes)) - np.repeat(offsets[:-1], lengths)
    fitted = (within < np.repeat(held.ends, lengths)) & (codes >= 0)
    before = np.concatenate([[0], np.cumsum(fitted)])
    train = Sequences(codes[fitted], before[offsets], len(processor.names))
    after = offsets[held.tested] + held.ends[held.tested]
    names = arrow(records.select_columns(["id"]))["id"].take(pa.array(held.tested))
    return Division(
        train,
        names.to_pylist(),
        [train[index] for index in held.tested.tolist()],
        codes[after].astype(np.int64),
        codes[after + 1].astype(np.int64),
    )
